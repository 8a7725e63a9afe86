"""For people who run a script from their IDE: the same as `aml pipeline` with the same arguments."""

import sys

from runner.main import main

if __name__ == "__main__":
    sys.exit(main(["pipeline", *sys.argv[1:]]))
