"""For people who run a script from their IDE: the same as `aml experiment` with the same arguments."""

import sys

from runner.main import main

if __name__ == "__main__":
    sys.exit(main(["experiment", *sys.argv[1:]]))
