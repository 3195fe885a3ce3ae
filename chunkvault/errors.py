"""Everything that can go wrong, as one tree of exceptions.

::

    ChunkvaultError                    1   failed
    ├── UsageError                     2   the command line does not make sense
    ├── SnapshotNotFound               1
    ├── PathNotInSnapshot              1
    ├── BackendError                   1   the storage said no
    │   ├── ObjectNotFound
    │   ├── ObjectExists
    │   ├── AccessDenied
    │   ├── StorageFull               22   no space, quota
    │   └── StorageUnreachable        23
    ├── TargetFull                    22   no space where files are restored
    ├── UnsafePath                     1   could mean something outside the target
    ├── RepositoryExists               1
    ├── RepositoryNotFound            10
    ├── RepositoryBusy                11
    ├── WrongKey                      12
    ├── UnsupportedFormat             13
    ├── DamageError                   20   names the object
    │   └── FormatError               20   bytes that no writer could have meant
    ├── TamperingSuspected            21
    └── SafetyStop                    24
    Interrupted                  130/143   the signal; no error, so nothing that goes
                                           on after errors goes on after this

Exit code 3 (done, but some files could not be read or written) is not an
exception: it is a count in a summary. Every error carries its exit code, a
message that names the thing, and a hint that says what to do next.
"""

__all__ = [
    "AccessDenied",
    "BackendError",
    "ChunkvaultError",
    "DamageError",
    "FormatError",
    "Interrupted",
    "ObjectExists",
    "ObjectNotFound",
    "PathNotInSnapshot",
    "RepositoryBusy",
    "RepositoryExists",
    "RepositoryNotFound",
    "SafetyStop",
    "SnapshotNotFound",
    "StorageFull",
    "StorageUnreachable",
    "TamperingSuspected",
    "TargetFull",
    "UnsafePath",
    "UnsupportedFormat",
    "UsageError",
    "WrongKey",
    "os_reason",
]


def os_reason(error: OSError) -> str:
    """Why the operating system refused, as our messages are written: lower case."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]


class ChunkvaultError(Exception):
    """Something went wrong that a person can be told about.

    Attributes:
        exit_code: what the process ends with when nobody handles the error.
        hint: one sentence on what to do next; may be empty.
    """

    exit_code = 1
    hint = ""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(ChunkvaultError):
    """The command line or a setting does not make sense."""

    exit_code = 2


class SnapshotNotFound(ChunkvaultError):
    """No snapshot fits what was asked for."""

    hint = "'chunkvault snapshots' lists what there is"


class PathNotInSnapshot(ChunkvaultError):
    """The snapshot does not hold the path."""

    hint = "'chunkvault ls' lists the paths of a snapshot"


class BackendError(ChunkvaultError):
    """The storage refused or failed."""


class ObjectNotFound(BackendError):
    """The storage has no object of that name."""


class ObjectExists(BackendError):
    """An object of that name is there already; it was not replaced."""


class AccessDenied(BackendError):
    """The storage does not permit it, or is read-only."""

    hint = "check the permissions of the storage, and whether it is read-only"


class StorageFull(BackendError):
    """The storage has no space left, or a quota is used up."""

    exit_code = 22
    hint = "free some space and run the command again: what was stored is kept"


class StorageUnreachable(BackendError):
    """The storage does not answer, or answers with errors only.

    Attributes:
        retry_after_s: how long the storage asks to be left alone, if it said.
    """

    exit_code = 23
    hint = "check the connection and run the command again: what was stored is kept"

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: float | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class TargetFull(ChunkvaultError):
    """No space where files are being restored."""

    exit_code = 22
    hint = "free some space and run the restore again: finished files are kept"


class UnsafePath(ChunkvaultError):
    """A path that is refused, because it could mean something outside the target."""

    hint = "the snapshot was not made by chunkvault, or somebody interferes"


class RepositoryExists(ChunkvaultError):
    """There is a repository already where one should be created."""

    hint = "use another location, or use the repository that is there"


class RepositoryNotFound(ChunkvaultError):
    """There is no repository at the location."""

    exit_code = 10
    hint = "check the location, or create a repository with 'chunkvault init'"


class RepositoryBusy(ChunkvaultError):
    """Somebody else holds what only one may hold at a time."""

    exit_code = 11


class WrongKey(ChunkvaultError):
    """The password or key opens none of the key slots."""

    exit_code = 12
    hint = "check the password; 'chunkvault key list' works with any valid one"


class UnsupportedFormat(ChunkvaultError):
    """Written by a newer version of chunkvault."""

    exit_code = 13
    hint = "install a newer version of chunkvault"


class DamageError(ChunkvaultError):
    """Stored bytes are missing or are not what was stored.

    Attributes:
        object_name: the object on the backend that is damaged or missing.
    """

    exit_code = 20
    hint = "'chunkvault check --read-data' lists everything that is damaged"

    def __init__(
        self, message: str, *, object_name: str = "", hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.object_name = object_name


class FormatError(DamageError):
    """Bytes that no writer of the format could have produced."""


class TamperingSuspected(ChunkvaultError):
    """The repository is not what this machine remembers of it."""

    exit_code = 21


class SafetyStop(ChunkvaultError):
    """Going on could lose data, so nothing was done."""

    exit_code = 24


class Interrupted(BaseException):
    """A signal asked the process to end.

    No `ChunkvaultError` and no ``Exception``: what names an entry that failed and goes
    on with the next one would take it for the failure of that entry.

    Attributes:
        exit_code: 128 plus the number of the signal.
        hint: one sentence on what to do next.
    """

    exit_code = 130
    hint = "run the command again: what was stored is kept"

    def __init__(self, signal_number: int = 2) -> None:
        super().__init__("interrupted")
        self.exit_code = 128 + signal_number
