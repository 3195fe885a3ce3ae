"""Encrypt and decrypt streams with the program gpg, as duplicity does.

The plain text never touches a disk, memory stays flat, and the passphrase goes
through a pipe: it stands neither among the arguments nor in the environment. What
gpg says is told by its status lines, see `chunkvault.duplicity.gpg_status`.
"""

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import UnsupportedOperation
from types import TracebackType
from typing import IO, BinaryIO, Self

from chunkvault.duplicity.gpg_feed import Feed
from chunkvault.duplicity.gpg_status import (
    Trouble,
    cannot_start,
    decryption_failed,
    diagnose,
    encryption_failed,
    read_status,
    require_signature,
)
from chunkvault.errors import UsageError
from chunkvault.workers import WorkerGroup

__all__ = ["Gpg", "GpgInput", "GpgOptions", "GpgOutput", "Trouble"]

_READ_BYTES = 256 << 10
_MAX_TAIL_BYTES = 64 << 20
"""What may follow the part of a stream that was of interest; duplicity pads."""

_MAX_PASSPHRASE_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class GpgOptions:
    """How gpg is run.

    Attributes:
        passphrase: of symmetric encryption, or of the secret key; None where gpg
            is to do without, or with what its agent knows.
        program: the name or path of gpg.
        home: its folder of keys; None for the user's own.
        recipients: keys to encrypt to; none means encryption by passphrase.
        hidden_recipients: the same, without naming them in the file.
        sign_key: the key to sign with; None for no signature.
        s2k_count: how often the passphrase is hashed; None for what gpg does.
        compress: whether gpg compresses.
        adds_literal: whether gpg makes a message of what it is given; not so where
            it is one already, see `chunkvault.duplicity.openpgp`.
        signers: fingerprints; what none of these keys has signed is refused. None:
            nobody asks.
        accepts_old: take files without protection against changes, which was
            usual before 2003.
    """

    passphrase: bytes | None = field(default=None, repr=False)
    program: str = "gpg"
    home: bytes | None = None
    recipients: tuple[str, ...] = ()
    hidden_recipients: tuple[str, ...] = ()
    sign_key: str | None = None
    s2k_count: int | None = None
    compress: bool = True
    adds_literal: bool = True
    signers: frozenset[str] | None = None
    accepts_old: bool = False

    def __post_init__(self) -> None:
        """Refuse what gpg would misunderstand.

        Raises:
            UsageError: a passphrase of more than one line, or a key like an option.
        """
        secret = self.passphrase or b""
        if b"\n" in secret or b"\0" in secret or len(secret) > _MAX_PASSPHRASE_BYTES:
            raise UsageError("a passphrase for gpg is one line of at most 4096 bytes")
        for key in (*self.recipients, *self.hidden_recipients, self.sign_key or "x"):
            if not key or key.startswith("-"):
                raise UsageError(f"{key!r} is not the name of a key")


class Gpg:
    """Runs gpg, once for every stream. Any thread may use it."""

    def __init__(self, options: GpgOptions) -> None:
        self.options = options

    def with_passphrase(self, passphrase: bytes) -> "Gpg":
        """The same with a passphrase."""
        return Gpg(replace(self.options, passphrase=passphrase))

    def with_old_files(self) -> "Gpg":
        """The same, taking files without protection against changes."""
        return Gpg(replace(self.options, accepts_old=True))

    def decrypt(self, source: BinaryIO) -> "GpgInput":
        """The plain text of an open file, from where it stands.

        Args:
            source: if it has a descriptor, gpg reads that itself; else a thread
                reads it, until the stream is closed.

        Raises:
            UsageError: gpg cannot be started.
        """
        words = ["--decrypt"]
        if self.options.accepts_old:
            words.insert(0, "--ignore-mdc-error")
        descriptor = _descriptor(source)
        status = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
        try:
            given = subprocess.PIPE if descriptor is None else descriptor
            process = self._start(words, given, status)
        except BaseException:
            status.close()
            raise
        feed = Feed(source, process) if descriptor is None else None
        return GpgInput(process, status, feed, self.options)

    @contextmanager
    def encrypt(self, sink: Callable[[bytes], object]) -> Iterator["GpgOutput"]:
        """A file to write plain text to; what gpg makes of it goes to ``sink``.

        ``sink`` is called in a thread of its own. When the block is left, all of
        it has been called with; after an error it may have seen any part.

        Raises:
            UsageError: gpg cannot be started.
            ChunkvaultError: gpg failed; says what it said.
        """
        with tempfile.TemporaryFile() as status, WorkerGroup(1, 1) as pump:
            process = self._start(self._encrypt_words(), subprocess.PIPE, status)
            assert process.stdin is not None, "a pipe was asked for"
            try:
                pump.submit(_pump, process, sink)
                yield GpgOutput(process.stdin)
                process.stdin.close()
                pump.wait()
                if process.wait():
                    raise encryption_failed(read_status(status))
            except BrokenPipeError:
                pump.wait()  # raises what the sink raised, if it was the sink
                process.wait()
                raise encryption_failed(read_status(status)) from None
            finally:
                _end(process)

    def _encrypt_words(self) -> list[str]:
        options = self.options
        words = ["--no-encrypt-to", "--force-mdc", "--trust-model=always"]
        if options.s2k_count is not None:
            words += ["--s2k-count", str(options.s2k_count)]
        if not options.compress:
            words += ["--compress-algo=none"]
        if not options.adds_literal:
            words += ["--no-literal"]
        if options.sign_key is not None:
            words += ["--local-user", options.sign_key, "--sign"]
        for key in options.recipients:
            words += ["--recipient", key]
        for key in options.hidden_recipients:
            words += ["--hidden-recipient", key]
        has_keys = options.recipients or options.hidden_recipients
        return [*words, "--encrypt" if has_keys else "--symmetric"]

    def _start(
        self, words: Sequence[str], source: int, status: BinaryIO
    ) -> "subprocess.Popen[bytes]":
        options = self.options
        common: list[str | bytes] = [options.program, "--batch", "--no-tty"]
        # Not --quiet: some errors would be missing from the status lines, too.
        common += ["--no-secmem-warning", "--no-auto-check-trustdb"]
        if options.home is not None:
            common += ["--homedir", options.home]
        secret = _passphrase_pipe(options.passphrase)
        passed = [status.fileno()]
        common += ["--status-fd", str(status.fileno())]
        if secret is None:
            # What the agent knows may be used; nobody is asked behind our back.
            common += ["--pinentry-mode=error"]
        else:
            common += ["--pinentry-mode=loopback", "--passphrase-fd", str(secret)]
            passed.append(secret)
        try:
            return subprocess.Popen(  # noqa: S603 - the user's own gpg
                [*common, *words],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=passed,
                bufsize=0,
                process_group=0,  # Ctrl-C is ours to handle
            )
        except OSError as error:
            raise cannot_start(options.program, error) from error
        finally:
            if secret is not None:
                os.close(secret)


class GpgInput:
    """Plain text as gpg gives it; a context manager that leaves no process behind."""

    def __init__(
        self,
        process: "subprocess.Popen[bytes]",
        status: BinaryIO,
        feed: Feed | None,
        options: GpgOptions,
    ) -> None:
        assert process.stdout is not None, "a pipe was asked for"
        self._process = process
        self._output = process.stdout
        self._status = status
        self._feed = feed
        self._has_secret = options.passphrase is not None
        self._signers = options.signers
        self.trouble: Trouble | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes, fewer than that only now and then; none at the end.

        Raises:
            WrongKey: the passphrase is missing or wrong, or no secret key is there.
            DamageError: the file is damaged, or was changed by somebody.
            NotSigned: it has not the signature that was asked for.
            BackendError: the file could not be read any further.
        """
        data: bytes = self._output.read(size)
        if not data:
            self._check_end()
        return data

    def finish(self) -> None:
        """Read over what is left: only at the end does gpg know that all was right.

        A tail without end is not followed.

        Raises:
            WrongKey, DamageError, NotSigned, BackendError: as for `read`.
        """
        left = _MAX_TAIL_BYTES
        while left > 0 and (data := self.read(_READ_BYTES)):
            left -= len(data)

    def close(self) -> None:
        """End gpg if it still runs."""
        _stop(self._process)
        if self._feed is not None:
            self._feed.close()  # before its pipe is closed under it
        _end(self._process)
        self._status.close()

    def _check_end(self) -> None:
        code = self._process.wait()
        if self._feed is not None:
            self._feed.finish()
        if not code and self._signers is None:
            return
        status = read_status(self._status)
        if code:
            self.trouble = diagnose(status, has_secret=self._has_secret)
            if self.trouble is not None:
                raise decryption_failed(self.trouble)
        if self._signers is not None:
            require_signature(status, self._signers)


class GpgOutput:
    """gpg's standard input as a file that takes all it is given."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write all of it.

        Raises:
            BrokenPipeError: gpg has ended; leaving the block says why.
        """
        view = memoryview(data)
        done = 0
        while done < len(view):
            done += self._pipe.write(view[done:]) or 0
        return done


def _descriptor(source: BinaryIO) -> int | None:
    """The descriptor of a file, at the file's own place; None if there is none."""
    try:
        descriptor = source.fileno()
    except UnsupportedOperation:
        return None
    # Where a buffered file stands is not where its descriptor does.
    os.lseek(descriptor, source.tell(), os.SEEK_SET)
    return descriptor


def _pump(process: "subprocess.Popen[bytes]", sink: Callable[[bytes], object]) -> None:
    assert process.stdout is not None, "a pipe was asked for"
    try:
        while data := process.stdout.read(_READ_BYTES):
            sink(data)
    except BaseException:
        process.kill()  # else who writes would wait for ever
        raise


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.kill()
    process.wait()


def _end(process: "subprocess.Popen[bytes]") -> None:
    _stop(process)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _passphrase_pipe(passphrase: bytes | None) -> int | None:
    """The end to read of a pipe that holds the passphrase."""
    if passphrase is None:
        return None
    reader, writer = os.pipe()
    try:
        os.write(writer, passphrase + b"\n")  # a pipe holds at least 4096 bytes
    finally:
        os.close(writer)
    return reader
