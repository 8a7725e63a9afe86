"""This package's version, as it was installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("azure-ml-as-code")
except PackageNotFoundError:  # run from a folder that was never installed
    VERSION = "0.0.0"
