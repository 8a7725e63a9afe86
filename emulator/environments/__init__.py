"""Environments that are really made: a conda file becomes a virtual environment, once for its content."""
