"""``python -m chunkvault``."""

from chunkvault.cli.main import run

if __name__ == "__main__":
    run()
