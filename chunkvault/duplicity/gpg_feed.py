"""Feed gpg with a file that has no descriptor it could read by itself."""

import subprocess
from typing import IO, BinaryIO

from chunkvault.workers import WorkerGroup

__all__ = ["Feed"]

_READ_BYTES = 256 << 10


class Feed:
    """A thread that copies a file to gpg's standard input, which it closes.

    Nobody else reads the file meanwhile.

    Args:
        source: the file, read from where it stands.
        process: started with a pipe, unbuffered, for its input.
    """

    def __init__(self, source: BinaryIO, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin is not None, "a pipe was asked for"
        self._failure: BaseException | None = None
        self._group = WorkerGroup(1, 1)
        self._group.submit(self._copy, source, process.stdin)

    def finish(self) -> None:
        """Wait until all is copied, or gpg has ended without wanting all.

        Raises:
            BaseException: what reading the file raised.
        """
        self._group.wait()
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """End the thread, once gpg has ended: it notices with its next piece."""
        self._group.__exit__(None, None, None)

    def _copy(self, source: BinaryIO, pipe: IO[bytes]) -> None:
        try:
            with pipe:
                while data := source.read(_READ_BYTES):
                    _write_all(pipe, data)
        except BrokenPipeError:
            return  # gpg says itself why it has ended
        except BaseException as error:  # noqa: BLE001 - raised again by finish
            self._failure = error


def _write_all(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]
