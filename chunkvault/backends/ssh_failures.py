"""What ``ssh`` says when it fails, turned into errors that say what to do."""

import re
from typing import NamedTuple

from chunkvault.errors import AccessDenied, BackendError, StorageUnreachable

__all__ = ["explain", "tidy"]


class _Cause(NamedTuple):
    """How to recognise a cause, and what it means.

    Attributes:
        pattern: stands in what ssh printed.
        kind: the error.
        says: the message, after the name of the store; empty for ssh's own words.
        hint: what to do about it; ``None`` for that of the kind.
    """

    pattern: "re.Pattern[str]"
    kind: type[BackendError]
    says: str = ""
    hint: str | None = None


def _cause(
    pattern: str, kind: type[BackendError], says: str = "", hint: str | None = None
) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE), kind, says, hint)


_CAUSES = (
    _cause(
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        AccessDenied,
        "the host key is not the one in known_hosts",
        "if the server was set up anew, remove its old key with 'ssh-keygen -R HOST'; "
        "if not, somebody may be in between",
    ),
    _cause(
        "Host key verification failed|No .* host key is known",
        AccessDenied,
        "the host key is not known yet",
        "run 'ssh' to that host once by hand, compare the key, and say yes",
    ),
    _cause(
        r"Permission denied \(|Too many authentication failures|"
        "No supported authentication methods",
        AccessDenied,
        "the server accepts none of the keys",
        "passwords are not asked for: 'ssh -o BatchMode=yes' must be able to log in, "
        "with a key in ~/.ssh or in an agent",
    ),
    _cause(
        "subsystem request failed|Failed to start subsystem",
        BackendError,
        "the server does not offer SFTP",
        "the server's sshd_config needs a line 'Subsystem sftp internal-sftp'",
    ),
    _cause(
        "Bad configuration option|Can't open user config file|Bad owner or "
        "permissions on|bad configuration options|keyword .* extra arguments",
        BackendError,
        hint="correct the configuration of ssh",
    ),
    _cause("Could not resolve hostname", StorageUnreachable),
)
# Lines of ssh that tell nothing about the cause.
_NOISE = re.compile(
    r"debug\d: |\*\* |Warning: Permanently added|Connection closed\.?$|"
    r"@|(?:OpenSSH_|Authenticated to )|Pseudo-terminal",
    re.IGNORECASE,
)
_UNPRINTABLE = re.compile(r"[^ -~\u00a1-\ud7ff]")


def explain(complaint: bytes, store: str) -> BackendError:
    """The error that fits what was printed before the connection was lost.

    Args:
        complaint: the end of what ``ssh`` wrote to its standard error.
        store: what messages call the other side.
    """
    text = complaint.decode("utf-8", "replace")
    for cause in _CAUSES:
        if cause.pattern.search(text):
            says = cause.says or _last_line(text)
            return cause.kind(f"cannot reach {store}: {says}", hint=cause.hint)
    reason = _last_line(text) or "the connection was lost"
    return StorageUnreachable(f"cannot reach {store}: {reason}")


def tidy(text: str) -> str:
    """Somebody else's words in one of our messages: no escapes, no full stop."""
    return _UNPRINTABLE.sub("?", text.strip()).rstrip(".")[:200]


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)]
    return tidy((telling or lines or [""])[-1]).removeprefix("ssh: ")
