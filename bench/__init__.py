"""Compares chunkvault with its peers, and measures what its design promises."""
