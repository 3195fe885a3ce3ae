"""The clock and the local zone: the only place that asks for the time."""

import time
from datetime import UTC, datetime, timedelta, tzinfo

__all__ = ["LocalZone", "now_ns"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now_ns() -> int:
    """Nanoseconds since the epoch."""
    return time.time_ns()


class LocalZone(tzinfo):
    """The zone this machine is set to, with its changes over the year.

    Asks the C library about each instant, so whatever ``TZ`` or
    ``/etc/localtime`` say is right, without a database of zones.
    """

    @property
    def label(self) -> str:
        """The zone's short names, such as ``CET/CEST``."""
        standard, summer = time.tzname
        return f"{standard}/{summer}" if time.daylight else standard

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        """Offset from UTC at a local moment."""
        if moment is None:
            return None
        return moment.replace(tzinfo=None).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        """Not known; the offset has it included."""
        del moment
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        """Name of the zone at a local moment."""
        if moment is None:
            return self.label
        return moment.replace(tzinfo=None).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        """The local moment for one that is given in UTC."""
        seconds = (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
        # Of the ways to a local time only this one says which of two equal hours
        # in autumn it is: in the attribute fold.
        local = datetime.fromtimestamp(seconds)  # noqa: DTZ006
        return local.replace(tzinfo=self, microsecond=moment.microsecond)
