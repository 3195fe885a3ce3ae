import time
from datetime import UTC, datetime

import pytest

from chunkvault.cli.clock import LocalZone
from chunkvault.timespec import format_iso, parse_time


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield LocalZone()
    monkeypatch.undo()
    time.tzset()


def test_local_zone_follows_the_changes_of_the_year(berlin):
    winter = datetime(2026, 1, 1, 12, tzinfo=berlin)
    summer = datetime(2026, 7, 1, 12, tzinfo=berlin)
    assert winter.astimezone(UTC).hour == 11
    assert summer.astimezone(UTC).hour == 10
    assert (winter.tzname(), summer.tzname()) == ("CET", "CEST")
    assert berlin.label == "CET/CEST"


def test_hour_that_comes_twice_is_shown_with_its_own_offset(berlin):
    first = 1_792_888_200 * 10**9
    shown = [format_iso(first + hour * 3600 * 10**9, berlin) for hour in range(2)]
    assert shown == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]


def test_day_of_the_change_ends_at_midnight(berlin):
    end = parse_time("2026-10-25", now=datetime(2026, 11, 1, tzinfo=UTC), zone=berlin)
    assert format_iso(end, berlin) == "2026-10-25T23:59:59.999999999+01:00"
