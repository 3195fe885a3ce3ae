"""chunkvault: a backup program whose every version restores directly."""

__version__ = "0.1.0"
