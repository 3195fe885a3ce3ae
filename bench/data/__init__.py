"""What is backed up: fetched with apt, or made from a seed, and how it changes."""
