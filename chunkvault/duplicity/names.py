"""The names of duplicity's files: what a file is, told by nothing but its name.

Three styles are read: the usual one, ``--short-filenames`` and ``--old-filenames``.
Only the usual one is written, as all versions of duplicity read it::

    duplicity-full.T.vol1.difftar.gpg            volumes of a full backup set
    duplicity-full.T.manifest.gpg                its manifest
    duplicity-full-signatures.T.sigtar.gpg       its signatures
    duplicity-inc.T0.to.T1.vol1.difftar.gpg      the same of an increment
    duplicity-inc.T0.to.T1.manifest.gpg
    duplicity-new-signatures.T0.to.T1.sigtar.gpg

``T`` is ``20231114T221320Z``. Source: ``file_naming.py`` of duplicity 0.8.22 and
3.2.1.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from typing import NamedTuple

__all__ = [
    "NO_PREFIXES",
    "FileKind",
    "FileName",
    "Prefixes",
    "format_set_time",
    "make_name",
    "parse_name",
    "parse_set_time",
]


class FileKind(Enum):
    """What a file of an archive is."""

    VOLUME = "volume"
    MANIFEST = "manifest"
    SIGNATURES = "signatures"
    STATISTICS = "statistics"


class Prefixes(NamedTuple):
    """What stands in front of names: ``--file-prefix``, then one for the kind."""

    all: str = ""
    volumes: str = ""
    manifests: str = ""
    signatures: str = ""

    def of(self, kind: FileKind) -> str:
        """The whole prefix of one kind of file."""
        special = {
            FileKind.VOLUME: self.volumes,
            FileKind.MANIFEST: self.manifests,
            FileKind.SIGNATURES: self.signatures,
        }
        return self.all + special.get(kind, "")


NO_PREFIXES = Prefixes()


class FileName(NamedTuple):
    """What a name tells.

    Attributes:
        kind: what is in the file.
        start: time of the set that an increment continues, in whole seconds
            since the epoch; None in a full set.
        end: time of the set.
        volume: from 1; 0 for what is no volume.
        suffix: what follows: ``.gpg``, ``.gz``, nothing, or something strange.
        is_partial: duplicity was still writing it.
    """

    kind: FileKind
    start: int | None
    end: int
    volume: int = 0
    suffix: str = ""
    is_partial: bool = False

    @property
    def is_full(self) -> bool:
        """Whether it belongs to a full set."""
        return self.start is None

    @property
    def is_encrypted(self) -> bool:
        """Whether gpg has to open it; duplicity goes by the name, too."""
        return self.suffix.endswith((".gpg", ".g", ".p7m"))

    @property
    def is_compressed(self) -> bool:
        """Whether gzip has to open it."""
        return self.suffix.endswith((".gz", ".z"))

    @property
    def is_stray(self) -> bool:
        """Whether duplicity never writes such a name, and yet takes it for its own.

        ``….difftar.gz.tmp`` beside ``….difftar.gz`` makes every command of
        duplicity fail.
        """
        return self.suffix not in _SUFFIXES


_SUFFIXES = {"", ".gpg", ".gz", ".p7m", ".g", ".z"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST_NAME = 255
_REST = r"(?P<suffix>$|\..*$)"


def _usual(head: str, tail: str) -> tuple[re.Pattern[str], bool]:
    times = r"\.(?P<end>.*?)" if "inc" not in head and "new" not in head else _SPAN
    text = rf"duplicity-{head}{times}\.{tail}(?P<partial>\.part)?{_REST}"
    return re.compile(text, re.DOTALL), False


def _short(head: str, tail: str) -> tuple[re.Pattern[str], bool]:
    span = r"\.(?P<start>[0-9a-z]+)" if head in {"di", "dns"} else ""
    time = r"\.(?P<end>[0-9a-z]+)"
    text = rf"{head}{span}{time}\.{tail}(?P<partial>\.p)?{_REST}"
    return re.compile(text, re.DOTALL), True


_SPAN = r"\.(?P<start>.*?)\.to\.(?P<end>.*?)"
_VOLUME = r"vol(?P<volume>[0-9]+)\.difftar"
_SHORT_VOLUME = r"(?P<volume>[0-9a-z]+)\.dt"
_PATTERNS = {
    FileKind.VOLUME: (
        _usual("full", _VOLUME),
        _usual("inc", _VOLUME),
        _short("df", _SHORT_VOLUME),
        _short("di", _SHORT_VOLUME),
    ),
    FileKind.MANIFEST: (
        _usual("full", "manifest"),
        _usual("inc", "manifest"),
        _short("df", "m"),
        _short("di", "m"),
    ),
    FileKind.SIGNATURES: (
        _usual("full-signatures", "sigtar"),
        _usual("new-signatures", "sigtar"),
        _short("dfs", "st"),
        _short("dns", "st"),
    ),
    FileKind.STATISTICS: (_usual("full", "jsonstat"), _usual("inc", "jsonstat")),
}
_USUAL_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z", re.ASCII)
_OLD_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d)[^\d](\d\d)[^\d](\d\d)"
    r"(?:Z|(?P<sign>[+-])(?P<hours>\d\d)[^\d](?P<minutes>\d\d))",
    re.ASCII,
)


def parse_name(name: str, prefixes: Prefixes = NO_PREFIXES) -> FileName | None:
    """What the name of a file tells; None if duplicity would not take it for its own.

    Like duplicity's, the patterns say nothing about the end of the name.
    """
    if len(name) > _LONGEST_NAME:
        return None
    for kind, patterns in _PATTERNS.items():
        prefix = prefixes.of(kind)
        if not name.startswith(prefix):
            continue
        for pattern, is_short in patterns:
            match = pattern.match(name, len(prefix))
            found = match and _read(kind, match, is_short=is_short)
            if found:
                return found
    return None


def make_name(name: FileName, prefixes: Prefixes = NO_PREFIXES) -> str:
    """The name of a file, in the usual style."""
    prefix = prefixes.of(name.kind)
    end = format_set_time(name.end)
    times = end if name.start is None else f"{format_set_time(name.start)}.to.{end}"
    part = ".part" if name.is_partial else ""
    if name.kind is FileKind.SIGNATURES:
        head = "full-signatures" if name.is_full else "new-signatures"
        return f"{prefix}duplicity-{head}.{times}.sigtar{part}{name.suffix}"
    tails = {
        FileKind.VOLUME: f"vol{name.volume}.difftar",
        FileKind.MANIFEST: "manifest",
        FileKind.STATISTICS: "jsonstat",
    }
    head = "full" if name.is_full else "inc"
    return f"{prefix}duplicity-{head}.{times}.{tails[name.kind]}{part}{name.suffix}"


def format_set_time(seconds: int) -> str:
    """``20231114T221320Z``; raises OverflowError outside the years 1 to 9999."""
    return f"{_EPOCH + timedelta(seconds=seconds):%Y%m%dT%H%M%SZ}".rjust(16, "0")


def parse_set_time(text: str) -> int | None:
    """Seconds since the epoch, from the usual form or the one of old names."""
    match = _USUAL_TIME.fullmatch(text) or _OLD_TIME.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = map(int, match.groups()[:6])
        zone = _zone(match.groupdict())
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        since = moment - _EPOCH
    except (ValueError, OverflowError):
        return None
    return since.days * 86400 + since.seconds


def _zone(offset: dict[str, str | None]) -> timezone:
    if not offset.get("sign"):
        return UTC
    delta = timedelta(
        hours=int(offset["hours"] or 0), minutes=int(offset["minutes"] or 0)
    )
    return timezone(-delta if offset["sign"] == "-" else delta)


def _read(kind: FileKind, match: re.Match[str], *, is_short: bool) -> FileName | None:
    fields = match.groupdict()
    read_time = _from_base36 if is_short else parse_set_time
    end = read_time(fields["end"])
    has_start = "start" in fields
    start = read_time(fields["start"]) if has_start else None
    if end is None or (has_start and start is None):
        return None
    volume = 0
    if kind is FileKind.VOLUME:
        base = 36 if is_short else 10
        volume = int(fields["volume"], base)
    partial = fields.get("partial") is not None
    return FileName(kind, start, end, volume, fields["suffix"], partial)


def _from_base36(text: str) -> int | None:
    seconds = int(text, 36)
    # A word of letters is a number as well; duplicity writes no time after 9999.
    return seconds if seconds < 253402300800 else None
