"""Folders of gpg keys, in which a passphrase costs next to nothing."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["gpg_home", "kill_agent", "make_key", "run_gpg"]

_AGENT_OPTIONS = "s2k-count 65536\n"
"""Else the agent first measures how slow it can be, and each use of a key is."""


@contextmanager
def gpg_home() -> Iterator[str]:
    """An empty one; it goes with its keys, and the agent that held them."""
    # Not below the folders of pytest: the socket of the agent wants a short path.
    home = tempfile.mkdtemp(prefix="gpg")
    try:
        with open(f"{home}/gpg-agent.conf", "w", encoding="ascii") as file:
            file.write(_AGENT_OPTIONS)
        yield home
    finally:
        kill_agent(home)
        shutil.rmtree(home, ignore_errors=True)


def run_gpg(home: str, *words: str, passphrase: str = "", stdin: bytes = b"") -> bytes:
    """What gpg prints; nobody is asked anything."""
    run = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback"]
    run += ["--passphrase", passphrase, *words]
    return subprocess.run(run, input=stdin, check=True, capture_output=True).stdout


def make_key(home: str, user: str, passphrase: str = "") -> str:
    """A key to sign and encrypt with, and its fingerprint; RSA would take seconds."""
    words = ("--quick-gen-key", user, "future-default", "default", "0")
    run_gpg(home, *words, passphrase=passphrase)
    listing = run_gpg(home, "--list-keys", "--with-colons", user).decode()
    [fingerprint, *_] = [line for line in listing.splitlines() if line[:3] == "fpr"]
    return fingerprint.split(":")[9]


def kill_agent(home: str | bytes) -> None:
    """End the agent of a home: it forgets every passphrase it was told."""
    kill = ["gpgconf", "--homedir", home, "--kill", "gpg-agent"]
    subprocess.run(kill, check=True, capture_output=True)
