"""One file per command of ``aml``: parse, call, print."""
