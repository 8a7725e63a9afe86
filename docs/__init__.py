"""The pages, and ``docs.generate``, which writes those of them that the code can say itself."""
