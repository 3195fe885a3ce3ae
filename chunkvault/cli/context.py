"""What a command works with: settings, clock, machine, repository, reporter."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING

from chunkvault.cli.clock import LocalZone, now_ns
from chunkvault.cli.memory import (
    recall_habits,
    recall_names,
    remember_habits,
    remember_names,
)
from chunkvault.cli.notes import SealedNotes
from chunkvault.cli.output import Output, printable
from chunkvault.cli.process import (
    INTERRUPTION,
    forbid_inspection,
    keep_freed_memory,
)
from chunkvault.cli.reporters import ClosingReporter, JsonReporter, PlainReporter
from chunkvault.cli.settings import Settings
from chunkvault.errors import RepositoryNotFound, UsageError
from chunkvault.report import Problem
from chunkvault.timespec import format_iso, format_time, parse_time
from chunkvault.workers import Errands

if TYPE_CHECKING:
    from chunkvault.backends.base import Backend
    from chunkvault.backends.options import StorageOptions
    from chunkvault.duplicity.folder import ArchiveFolder
    from chunkvault.repository import DeviceKey, Passphrase, Recollection, Repository

__all__ = ["BROWSING", "Ahead", "Context"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a command is going to do once its repository is open.

    Attributes:
        modules: it will load these.
        writes: it takes a snapshot; otherwise it reads one.
        contents: it reads contents of files, for which the index is needed.
    """

    modules: tuple[str, ...] = ()
    writes: bool = False
    contents: bool = True

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Load the modules beside what happens in the block."""
        errands: Errands[object] = Errands(1)
        errands.begin("load", lambda: [import_module(name) for name in self.modules])
        try:
            yield
        finally:
            errands.close()


BROWSING = Ahead(contents=False)
"""For commands that look at snapshots and their trees."""


class Context:
    """One run of a command.

    Attributes:
        settings: what was asked for.
        output: standard output.
        now_ns: when the command began; asked once, so that all agree.
        zone: the local zone.
        stores: the locations that requests go to.
        has_told_requests: whether a summary has said how many there were.
    """

    def __init__(self, settings: Settings, output: Output | None = None) -> None:
        self.settings = settings
        self.output = output or Output()
        self.now_ns = now_ns()
        self.zone = LocalZone()
        self.stores: set[str] = set()
        self.has_told_requests = False
        self._started_s = time.monotonic()
        self._reporter: ClosingReporter | None = None

    @property
    def host(self) -> str:
        """Name of this machine."""
        return os.uname().nodename

    @property
    def user(self) -> str:
        """Name of the user who runs this, or the number where there is none."""
        import pwd  # not needed by most commands

        try:
            return pwd.getpwuid(os.geteuid()).pw_name
        except KeyError:
            return str(os.geteuid())

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command began."""
        return time.monotonic() - self._started_s

    @property
    def shows_progress(self) -> bool:
        """Whether somebody watches: a person at a terminal, or a program."""
        if self.settings.is_quiet:
            return False
        return self.settings.is_json or sys.stderr.isatty()

    @property
    def location(self) -> str:
        """Where the repository is.

        Raises:
            UsageError: nobody said.
        """
        if not self.settings.repository:
            raise UsageError(
                "no repository was named",
                hint="give -r LOCATION or set CHUNKVAULT_REPOSITORY",
            )
        return self.settings.repository

    @cached_property
    def storage(self) -> "StorageOptions":
        """How stores are opened; its traffic is that of the whole command."""
        from chunkvault.backends.clock import SystemClock  # with the backends
        from chunkvault.backends.options import StorageOptions
        from chunkvault.backends.pace import Pace

        settings, clock = self.settings, SystemClock(INTERRUPTION)
        directory = settings.cache_directory
        return StorageOptions(
            connections=settings.connections,
            environment=settings.environment,
            upload_pace=Pace(settings.upload_rate, clock),
            download_pace=Pace(settings.download_rate, clock),
            clock=clock,
            habits=recall_habits(settings),
            notes=None if directory is None else SealedNotes(directory + b"/notes"),
            tell=self._tell,
        )

    def parse_time(self, text: str) -> int:
        """A TIME as people write it, in nanoseconds since the epoch."""
        now = _EPOCH + timedelta(microseconds=self.now_ns // 1000)
        return parse_time(text, now=now, zone=self.zone)

    def local_time(self, time_ns: int) -> str:
        """A time for people, in the local zone."""
        return format_time(time_ns, self.zone)

    def zone_name(self, time_ns: int) -> str:
        """The short name of the local zone at a time, such as ``CEST``."""
        moment = _EPOCH + timedelta(seconds=time_ns // 10**9)
        return moment.astimezone(self.zone).tzname() or ""

    def iso_time(self, time_ns: int) -> str:
        """A time for programs, exact and with its zone."""
        return format_iso(time_ns, self.zone)

    def note(self, text: str) -> None:
        """Something a person may want to know; not under ``--quiet``."""
        if not self.settings.is_quiet:
            print(f"chunkvault: {text}", file=sys.stderr)

    def secret(self, *, twice: bool = False) -> "Passphrase | DeviceKey":
        """The password or device key, asked for if need be."""
        # Passwords bring the cipher along, which takes long to load.
        from chunkvault.cli.passwords import read_secret

        forbid_inspection()
        keep_freed_memory()
        return read_secret(self.settings.secret, twice=twice)

    @contextmanager
    def open_backend(self, location: str | None = None) -> Iterator["Backend"]:
        """The storage of the repository, without the cache; or another location."""
        # Loaded when they are needed.
        from chunkvault.backends.location import is_remote, open_backend

        location = self.location if location is None else location
        backend = open_backend(location, self.storage)
        if is_remote(location):
            self.stores.add(location)
        try:
            yield backend
        finally:
            backend.close()
            if self.storage.habits is not None:
                remember_habits(self.settings, self.storage.habits)

    @contextmanager
    def open_archive(self, location: str) -> Iterator["ArchiveFolder"]:
        """The folder of an archive of duplicity, on any storage."""
        # An archive brings its own modules along, which others do without.
        from chunkvault.backends.location import describe
        from chunkvault.duplicity.backend_folder import folder_on

        with self.open_backend(location) as backend:
            yield folder_on(backend, describe(location))

    @contextmanager
    def open_repository(
        self, *, use_cache: bool = True, ahead: "Ahead | None" = None
    ) -> Iterator["Repository"]:
        """The repository, through the cache if there is to be one.

        Args:
            use_cache: whether there may be one.
            ahead: what the command is going to do, so that it can be begun while
                the password is stretched.
        """
        # The repository brings cipher, compression and hashes along.
        from chunkvault.repository import open_repository

        known = recall_names(self.settings, self.location) if use_cache else None
        with self.open_backend() as backend, ExitStack() as stack:
            source, bases = self._through_cache(backend, use_cache=use_cache)
            secret = self._secret_of(source, known)
            if ahead is not None:
                looking = self._looking_ahead(source, known, ahead)
                source = stack.enter_context(looking)
            with self._naming_location():
                repository = open_repository(
                    source,
                    secret,
                    extra_verify=self.settings.extra_verify,
                    bases=bases,
                    recollection=known,
                    connections=self.settings.connections if self._is_far else 0,
                    glances=self._is_far and ahead is not None and not ahead.writes,
                )
            with repository:
                yield repository
                if use_cache:
                    seen = repository.recollection
                    remember_names(self.settings, self.location, seen)
                self._warn(repository)

    @contextmanager
    def reporter(self, *, lists_entries: bool = False) -> Iterator[ClosingReporter]:
        """Who is told how it goes: a bar on a terminal, else lines.

        Args:
            lists_entries: whether the operation names every file; a bar would
                only be in the way of these lines.
        """
        reporter = self._choose_reporter(lists_entries=lists_entries)
        self._reporter = reporter
        try:
            yield reporter
        finally:
            self._reporter = None
            reporter.close()

    def local_directories(self) -> tuple[bytes, ...]:
        """The repository's own folder and the cache: left alone by all."""
        from chunkvault.backends.local import LocalBackend

        directories = [self.settings.cache_directory]
        with self.open_backend() as backend:
            if isinstance(backend, LocalBackend):
                directories.append(os.path.abspath(backend.path))
        return tuple(one for one in directories if one is not None)

    @property
    def _is_far(self) -> bool:
        """Whether each request to the repository takes its time."""
        from chunkvault.backends.location import is_remote  # with the backends

        return is_remote(self.location)

    def _through_cache(
        self, backend: "Backend", *, use_cache: bool
    ) -> "tuple[Backend, Backend | None]":
        """The storage behind the cache, and where bases of deltas are kept, if far."""
        from chunkvault.repository import cached, remote  # as above

        directory = self.settings.cache_directory if use_cache else None
        source = backend if directory is None else cached(backend, directory)
        return remote(source, directory) if self._is_far else (source, None)

    @contextmanager
    def _looking_ahead(
        self, source: "Backend", known: "Recollection | None", ahead: Ahead
    ) -> Iterator["Backend"]:
        """Load modules, and ask a store that is far, before anybody needs either."""
        from chunkvault.repository import look_ahead  # as above

        with ahead.loading():
            if not self._is_far:
                yield source
                return
            connections = self.settings.connections
            asked = look_ahead(
                source,
                known,
                writes=ahead.writes,
                contents=ahead.contents,
                connections=connections,
            )
            with closing(asked):
                yield asked

    def _secret_of(
        self, backend: "Backend", known: "Recollection | None"
    ) -> "Passphrase | DeviceKey":
        """The password; nobody types one for a repository that is not there."""
        from chunkvault.repository import require_repository  # as above

        if known is None and self.settings.secret.kind == "terminal":
            with self._naming_location():
                require_repository(backend)
        return self.secret()

    @contextmanager
    def _naming_location(self) -> Iterator[None]:
        """Say where there is no repository."""
        try:
            yield
        except RepositoryNotFound as error:
            from chunkvault.backends.location import describe  # as above

            where = describe(self.location)
            raise RepositoryNotFound(f"there is no repository at {where}") from error

    def _tell(self, text: str) -> None:
        """What a store has to say: where it does not disturb a bar. Any thread."""
        reporter = self._reporter
        if reporter is None:
            self.note(printable(text))
        else:
            reporter.problem(Problem(b"", text, is_failure=False))

    @staticmethod
    def _warn(repository: "Repository") -> None:
        """Name the damage that was got round, for nobody would notice it else."""
        for problem in repository.problems:
            print(f"chunkvault: {printable(str(problem))}", file=sys.stderr)

    def _choose_reporter(self, *, lists_entries: bool) -> ClosingReporter:
        settings = self.settings
        if settings.is_json:
            return JsonReporter(self.output, with_status=not settings.is_quiet)
        if lists_entries or not self.shows_progress:
            return PlainReporter(self.output, is_quiet=settings.is_quiet)
        # Loading what draws the bar takes as long as a small backup.
        from chunkvault.cli.progress import TerminalReporter

        return TerminalReporter(self.output, sys.stderr, use_color=settings.use_color)
