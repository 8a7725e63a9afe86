"""Storage accounts, and their blobs: Azurite as a child process, and the gate that stands before it."""
