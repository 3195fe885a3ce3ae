"""Trees of files over blobs: what a snapshot holds."""
