"""One verb per module or folder: options in, summary out; nothing is printed."""
