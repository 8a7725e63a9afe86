"""The command line ``aml``: settings, credentials, submit, publish, invoke."""
