"""The bridge to duplicity: its archives, written and read without it."""
