"""Figures, each a ratio or a rate taken in one run on one machine: ``make bench``, or ``python -m benchmarks NAME…``."""
