"""Jobs: what is asked of one, where and how it runs, what becomes of it. Machine learning's assets are in ``machinelearning``."""
