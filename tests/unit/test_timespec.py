from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.errors import UsageError
from chunkvault.timespec import NS_PER_SECOND, format_iso, format_time, parse_time

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
DAY = timedelta(days=1)
LATEST_NS = 253_402_300_800 * NS_PER_SECOND - 1


def ns(*fields, zone=BERLIN, fraction_ns=0):
    moment = datetime(*fields, tzinfo=zone).astimezone(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86400 + since.seconds) * NS_PER_SECOND + fraction_ns


def parse(text, zone=BERLIN):
    return parse_time(text, now=NOW, zone=zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("now", ns(2026, 11, 21, 12, zone=UTC, fraction_ns=123_456_000)),
        ("2026-11-01 18:00", ns(2026, 11, 1, 18)),
        ("2026-11-01T18:00", ns(2026, 11, 1, 18)),
        (" 2026-11-01 18:00 ", ns(2026, 11, 1, 18)),
        ("2026-11-01 18:00:05", ns(2026, 11, 1, 18, 0, 5)),
        ("2026-11-01 18:00:05.5", ns(2026, 11, 1, 18, 0, 5, fraction_ns=500_000_000)),
        ("2026-11-01T18:00:05.000000001Z", ns(2026, 11, 1, 18, 0, 5, zone=UTC) + 1),
        ("2026-11-01T18:00Z", ns(2026, 11, 1, 18, zone=UTC)),
        ("2026-11-01 18:00 +0200", ns(2026, 11, 1, 16, zone=UTC)),
        ("2026-11-01T18:00:00-05:30", ns(2026, 11, 1, 23, 30, zone=UTC)),
        ("2026-11-01T18:00:00+02", ns(2026, 11, 1, 16, zone=UTC)),
        ("2002-01-25T07:00:00+02:00", ns(2002, 1, 25, 5, zone=UTC)),
        ("20231114T221320Z", 1_700_000_000 * 10**9),
        ("20231114Z", ns(2023, 11, 15, zone=UTC) - 1),
        ("100000", 100_000 * NS_PER_SECOND),
        ("1793556005", 1_793_556_005 * NS_PER_SECOND),
    ],
)
def test_instant_is_understood(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["2026-11-01", "2026/11/1", "2026/11/01", "11/1/2026", "11-01-2026"]
)
def test_date_alone_means_the_end_of_that_day(text):
    assert parse(text) == ns(2026, 11, 2) - 1


@pytest.mark.parametrize("date", [(2026, 3, 29), (2026, 10, 25), (2024, 2, 29)])
def test_end_of_a_day_is_right_when_the_clocks_change(date):
    year, month, day = date
    following = datetime(year, month, day, tzinfo=UTC) + DAY
    expected = ns(following.year, following.month, following.day) - 1
    assert parse(f"{year}-{month}-{day}") == expected


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30s", timedelta(seconds=30)),
        ("5m", timedelta(minutes=5)),
        ("1h30m", timedelta(minutes=90)),
        ("1h78m", timedelta(minutes=138)),
        ("1h30m ago", timedelta(minutes=90)),
        ("7D", 7 * DAY),
        ("7d", 7 * DAY),
        ("2W", 14 * DAY),
        ("4w", 28 * DAY),
        ("3M", 90 * DAY),
        ("1Y2M3D", 428 * DAY),
        ("1y", 365 * DAY),
    ],
)
def test_interval_counts_back_from_now(text, ago):
    assert parse("now") - parse(text) == ago // timedelta(seconds=1) * NS_PER_SECOND


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "12345",
        "7",
        "7 D",
        "D",
        "-7D",
        "7X",
        "2026-13-01",
        "20261301Z",
        "20261101T250000Z",
        "2026-02-30",
        "2026-11/01",
        "26-11-01",
        "2026-11-01 25:00",
        "2026-11-01 18",
        "2026-11-01 18:00 CET",
        "2026-11-01 18:00+99:00",
        "2026-11-01T18:00T19:00",
        "9" * 30,
        "9" * 5000,
        "9" * 30 + "D",
        "٢٠٢٦-11-01",
        "9999-12-31",
    ],
)
def test_nonsense_is_refused_with_all_the_forms(text):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert "is not a time" in str(caught.value)
    for form in ("now", "7D", "1h30m", "2026-11-01", "11/1/2026", "epoch"):
        assert form in caught.value.hint


def test_an_hour_that_comes_twice_means_its_first_coming():
    assert parse("2026-10-25 02:30") == ns(2026, 10, 25, 0, 30, zone=UTC)


def test_time_is_shown_in_the_local_zone():
    assert format_time(ns(2026, 11, 1, 18, 0, 5), BERLIN) == "2026-11-01 18:00:05"


def test_iso_time_is_exact_and_has_its_zone():
    time_ns = ns(2026, 11, 1, 18, 0, 5, fraction_ns=123_456_789)
    assert format_iso(time_ns, BERLIN) == "2026-11-01T18:00:05.123456789+01:00"
    assert format_iso(ns(2026, 7, 1), BERLIN) == "2026-07-01T00:00:00+02:00"


@pytest.mark.parametrize("show", [format_time, format_iso])
@pytest.mark.parametrize("seconds", [10**12, -(10**12), 10**20])
def test_time_that_no_calendar_has_is_shown_as_seconds(show, seconds):
    assert show(seconds * NS_PER_SECOND + 5, BERLIN) == f"@{seconds}"


@given(
    st.integers(-(10**18), LATEST_NS - 10**14),
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timedelta(minutes=minutes)),
)
def test_iso_time_is_read_back(time_ns, offset):
    zone = timezone(offset)
    assert parse(format_iso(time_ns, zone)) == time_ns


@given(st.integers(-(10**18), 4 * 10**18))
def test_iso_time_of_a_zone_with_changes_is_read_back(time_ns):
    assert parse(format_iso(time_ns, BERLIN)) == time_ns


@given(st.text(alphabet="0123456789-/:. TZ+hmsDWMYnow", max_size=20))
def test_any_text_is_a_time_or_a_usage_error(text):
    with suppress(UsageError):
        assert isinstance(parse(text), int)
