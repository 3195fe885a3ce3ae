"""Times as duplicity reads them: its own code is asked beside ours."""

import subprocess
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkvault.errors import UsageError
from chunkvault.timespec import NS_PER_SECOND, parse_time
from tests.support.real_duplicity import VERSIONS

NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
DAY = 86400

ASK = f"""
import sys, time, os
os.environ["TZ"] = "UTC"
time.tzset()
from duplicity import dup_time
for line in sys.stdin:
    try:
        time = dup_time.genstrtotime(line.rstrip("\\n"), {int(NOW.timestamp())})
        print(int(time), flush=True)
    except Exception:
        print("refused", flush=True)
"""


class RealTimes:
    """A duplicity that reads times, somewhere in UTC."""

    def __init__(self, program):
        with open(program, encoding="utf-8") as file:
            python = file.readline().removeprefix("#!").strip()
        self._process = subprocess.Popen(
            [python, "-c", ASK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, text):
        """Seconds since the epoch, None if it takes this for no time."""
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer
        return None if answer == "refused" else int(answer)

    def close(self):
        with self._process:
            pass


@pytest.fixture(scope="module", params=VERSIONS)
def duplicity(request):
    real = RealTimes(VERSIONS[request.param])
    yield real
    real.close()


def ours(text):
    """Nanoseconds, None if we take this for no time."""
    try:
        return parse_time(text, now=NOW, zone=UTC)
    except UsageError:
        return None


def moments():
    """Of the years that duplicity knows; the second 0 is no time to it."""
    seconds = st.integers(2 * DAY, 4_102_444_799 - DAY)
    return seconds.map(lambda second: datetime.fromtimestamp(second, UTC))


def zones():
    """Not those west of Greenwich by parts of an hour: duplicity adds the part."""
    east = st.integers(0, 14 * 4).map(lambda quarter: quarter * 15)
    west = st.integers(-14, -1).map(lambda hour: hour * 60)
    minutes = st.one_of(east, west)
    return minutes.map(lambda count: timezone(timedelta(minutes=count)))


def intervals():
    part = st.tuples(st.integers(0, 400), st.sampled_from("smhDWMY"))
    return st.lists(part, min_size=1, max_size=6).map(
        lambda parts: "".join(f"{count}{unit}" for count, unit in parts)
    )


def instants():
    """Forms that mean a second."""
    return st.one_of(
        st.just("now"),
        intervals(),
        st.integers(100_000, 10**10).map(str),
        st.builds(
            lambda moment, zone: moment.replace(tzinfo=zone).isoformat(),
            moments(),
            zones(),
        ),
        moments().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%SZ}"),
        moments().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}"),
        moments().map(lambda moment: f"{moment:%Y%m%dT%H%M%SZ}"),
    )


def days():
    """Forms that mean a day: to duplicity its beginning, to us its end."""
    forms = ("{y}-{m:02}-{d:02}", "{y}/{m}/{d}", "{m}/{d}/{y}", "{m}-{d}-{y}")
    forms += ("{y}/{m:02}/{d:02}", "{m:02}/{d:02}/{y}", "{y}-{m}-{d}")
    return st.builds(
        lambda moment, form: form.format(y=moment.year, m=moment.month, d=moment.day),
        moments(),
        st.sampled_from(forms),
    )


@settings(max_examples=200, deadline=None)
@given(instants())
def test_an_instant_is_the_same_second_to_both(duplicity, text):
    theirs = duplicity.read(text)
    mine = ours(text)
    assert theirs is not None
    if theirs > -62_000_000_000:  # since the year 1
        assert mine == theirs * NS_PER_SECOND


@settings(max_examples=100, deadline=None)
@given(days())
def test_a_day_is_meant_to_its_end(duplicity, text):
    theirs = duplicity.read(text)
    assert theirs is not None
    assert ours(text) == (theirs + DAY) * NS_PER_SECOND - 1


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.text("0123456789-/:TZ+ smhDWMYB.", max_size=14),
        st.builds(
            "{}{}".format, instants(), st.sampled_from(["B", "x", " ", "Z", "-"])
        ),
        st.builds("-{}".format, intervals()),
    )
)
def test_what_duplicity_takes_for_a_time_is_the_same_or_refused(duplicity, text):
    theirs, mine = duplicity.read(text), ours(text)
    if theirs is None or mine is None:
        return
    text = text.strip()
    is_day = "T" not in text and ":" not in text and ("-" in text or "/" in text)
    is_day |= len(text) == 9 and text.endswith("Z")
    end = (theirs + DAY) * NS_PER_SECOND - 1
    assert mine == (end if is_day else theirs * NS_PER_SECOND)
