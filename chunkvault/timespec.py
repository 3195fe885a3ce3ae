"""Times as people write them, and as they are shown.

Pure: now and the local zone are arguments. Times are nanoseconds since the
epoch. What `parse_time` understands:

=========================  ====================================================
``now``                    the present
``7D``, ``1h30m``          that long ago: s m h D W M Y (M: 30 days, Y: 365)
``2026-11-01``             the end of that day, also ``2026/11/1``, ``11/1/2026``
``2026-11-01 18:00``       that instant, in the local zone; ``T`` works as well
``2026-11-01T18:00:05Z``   that instant, in the zone given (``+01:00``, ``Z``)
``20261101T180005Z``       that instant, as it stands in duplicity's file names;
                           ``20261101Z`` is the end of that day
``1793556005``             seconds since the epoch (six digits or more)
=========================  ====================================================
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from chunkvault.errors import UsageError

__all__ = ["NS_PER_SECOND", "format_iso", "format_time", "parse_time"]

NS_PER_SECOND = 1_000_000_000
_DAY = 24 * 60 * 60
_UNITS = {"s": 1, "m": 60, "h": 3600, "D": _DAY, "W": 7 * _DAY}
_UNITS |= {"M": 30 * _DAY, "Y": 365 * _DAY}
_UNITS |= {unit.lower(): _UNITS[unit] for unit in "DWY"}

_AGO = re.compile(r"((?:\d+[smhDdWwMYy])+)(?: ago)?", re.ASCII)
_AGO_PART = re.compile(r"(\d+)(\D)", re.ASCII)
_EPOCH = re.compile(r"\d{6,}", re.ASCII)
_YEAR_FIRST = re.compile(r"(\d{4})([-/])(\d{1,2})\2(\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/])(\d{1,2})\2(\d{4})", re.ASCII)
_CLOCK = re.compile(
    r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r" ?(Z|[+-]\d\d(?::?\d\d){0,2})?",
    re.ASCII,
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d))?Z", re.ASCII)
_EPOCH_START = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = (
    "a time is one of: now, 7D or 1h30m (ago; s m h D W M Y), 2026-11-01 (the end"
    " of that day), 2026/11/1, 11/1/2026, '2026-11-01 18:00',"
    " 2026-11-01T18:00:05+01:00, seconds since the epoch"
)


def parse_time(text: str, *, now: datetime, zone: tzinfo) -> int:
    """The instant that ``text`` names, in nanoseconds since the epoch.

    Args:
        text: one of the forms in this module's table.
        now: the present, with a zone; what ``now`` and ``7D`` count from.
        zone: the local zone, for everything that names none.

    Raises:
        UsageError: ``text`` is none of the forms, or outside of years 1 to 9999.
    """
    try:
        time_ns = _parse(text.strip(), now, zone)
        _to_datetime(time_ns // NS_PER_SECOND, UTC)  # refuses what no calendar has
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(f"{text!r} is not a time", hint=_HINT) from error
    return time_ns


def format_time(time_ns: int, zone: tzinfo) -> str:
    """``2026-11-01 18:00:05`` in ``zone``; ``@seconds`` where no calendar has it."""
    try:
        moment = _to_datetime(time_ns // NS_PER_SECOND, zone)
    except (ValueError, OverflowError, OSError):
        return f"@{time_ns // NS_PER_SECOND}"
    return moment.replace(tzinfo=None).isoformat(sep=" ")


def format_iso(time_ns: int, zone: tzinfo) -> str:
    """``2026-11-01T18:00:05.123456789+01:00``: exact, `parse_time` reads it back.

    The fraction is left out where it is zero. A file's time that no calendar has
    becomes ``@seconds``.
    """
    seconds, fraction_ns = divmod(time_ns, NS_PER_SECOND)
    try:
        text = _to_datetime(seconds, zone).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return f"@{seconds}"
    if not fraction_ns:
        return text
    return f"{text[:19]}.{fraction_ns:09d}{text[19:]}"


def _parse(text: str, now: datetime, zone: tzinfo) -> int:
    if text == "now":
        return _to_ns(now)
    if _EPOCH.fullmatch(text):
        return int(text) * NS_PER_SECOND
    if ago := _AGO.fullmatch(text):
        return _to_ns(now) - _duration_s(ago[1]) * NS_PER_SECOND
    if compact := _COMPACT.fullmatch(text):
        return _parse_compact(*compact.groups())
    date, _, clock = text.replace("T", " ", 1).partition(" ")
    midnight = _parse_date(date, zone)
    if clock:
        return _at_clock(midnight, clock.strip())
    return _to_ns(midnight + timedelta(days=1)) - 1


def _duration_s(text: str) -> int:
    parts = _AGO_PART.findall(text)
    return sum(int(count) * _UNITS[unit] for count, unit in parts)


def _parse_compact(year: str, month: str, day: str, *clock: str | None) -> int:
    midnight = datetime(int(year), int(month), int(day), tzinfo=UTC)
    if clock[0] is None:
        return _to_ns(midnight + timedelta(days=1)) - 1
    hour, minute, second = (int(part or 0) for part in clock)
    return _to_ns(midnight.replace(hour=hour, minute=minute, second=second))


def _parse_date(text: str, zone: tzinfo) -> datetime:
    """The midnight that a date begins with."""
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = match[1], match[3], match[4]
    elif match := _YEAR_LAST.fullmatch(text):
        month, day, year = match[1], match[3], match[4]
    else:
        raise ValueError(text)
    return datetime(int(year), int(month), int(day), tzinfo=zone)


def _at_clock(midnight: datetime, text: str) -> int:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise ValueError(text)
    hour, minute, second, fraction, offset = match.groups()
    # Replacing the fields keeps the wall clock right on a day that the clocks
    # change; an hour that comes twice means its first coming.
    moment = midnight.replace(
        hour=int(hour), minute=int(minute), second=int(second or 0)
    )
    if offset:
        moment = moment.replace(tzinfo=_parse_offset(offset))
    return _to_ns(moment) + int((fraction or "").ljust(9, "0"))


def _parse_offset(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    # Before standard time came up, offsets had seconds as well.
    digits = text[1:].replace(":", "").ljust(6, "0")
    hours, minutes, seconds = int(digits[:2]), int(digits[2:4]), int(digits[4:])
    offset = timedelta(hours=hours, minutes=minutes, seconds=seconds)
    return timezone(-offset if text[0] == "-" else offset)


def _to_ns(moment: datetime) -> int:
    """Exact, unlike ``timestamp()``, which is a float."""
    since = moment - _EPOCH_START
    seconds = since.days * _DAY + since.seconds
    return seconds * NS_PER_SECOND + since.microseconds * 1000


def _to_datetime(seconds: int, zone: tzinfo) -> datetime:
    """Raises OverflowError where no calendar has it."""
    return (_EPOCH_START + timedelta(seconds=seconds)).astimezone(zone)
