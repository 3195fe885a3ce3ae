"""``python -m chunkvault``."""

from chunkvault.cli.start import run

if __name__ == "__main__":
    run()
