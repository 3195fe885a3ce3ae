"""Ports of this machine that nobody listens on."""

import socket
import time

__all__ = ["free_port", "wait_for_port"]


def free_port() -> int:
    """A port of the loopback address that is free at this moment."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def wait_for_port(port: int, timeout_s: float = 30) -> None:
    """Return as soon as somebody listens there.

    Raises:
        TimeoutError: nobody does.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise TimeoutError(f"nobody listens on port {port}")
