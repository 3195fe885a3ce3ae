import io
import json
import os
import pty

import pytest

from chunkvault.cli.output import Output
from chunkvault.cli.progress import Speedometer, TerminalReporter
from chunkvault.cli.reporters import JsonReporter, PlainReporter, _status
from chunkvault.report import Problem, Progress


@pytest.fixture
def stream():
    return io.StringIO()


def test_plain_reporter_shows_no_progress(stream, capsys):
    reporter = PlainReporter(Output(stream))
    reporter.begin(Progress("backup"))
    reporter.end()
    reporter.close()
    assert (stream.getvalue(), *capsys.readouterr()) == ("", "", "")


def test_problem_is_a_line_on_standard_error(stream, capsys):
    PlainReporter(Output(stream)).problem(Problem(b"/a\n", "cannot be read"))
    assert capsys.readouterr().err == "chunkvault: /a\\x0a: cannot be read\n"


def test_damaged_object_is_named_with_the_problem(stream, capsys):
    reporter = PlainReporter(Output(stream))
    reporter.problem(Problem(b"", "a frame is damaged", object_name="volumes/x"))
    assert capsys.readouterr().err == "chunkvault: a frame is damaged (volumes/x)\n"


def test_quiet_leaves_out_what_is_no_failure(stream, capsys):
    reporter = PlainReporter(Output(stream), is_quiet=True)
    reporter.problem(Problem(b"/a", "vanished", is_failure=False))
    reporter.problem(Problem(b"/b", "cannot be read"))
    assert capsys.readouterr().err == "chunkvault: /b: cannot be read\n"


def test_entries_are_lines_on_standard_output(stream):
    PlainReporter(Output(stream)).entry("new", b"/\xff")
    assert stream.getvalue() == "new        /\\xff\n"


def test_json_reporter_writes_an_object_a_line(stream):
    reporter = JsonReporter(Output(stream))
    reporter.begin(Progress("backup"))
    reporter.problem(Problem(b"/\xff", "cannot be read", object_name="volumes/x"))
    reporter.entry("new", b"/b")
    reporter.end()
    reporter.close()
    problem, entry = map(json.loads, stream.getvalue().splitlines())
    assert problem == {
        "message_type": "problem",
        "path": "/\ufffd",
        "path_bytes": "L/8=",
        "message": "cannot be read",
        "is_failure": True,
        "object": "volumes/x",
    }
    assert entry == {"message_type": "entry", "action": "new", "path": "/b"}


def test_status_tells_all_counters():
    progress = Progress("backup", 1, 2, 3, 4, b"/x")
    assert _status(progress) == {
        "message_type": "status",
        "task": "backup",
        "done_files": 1,
        "done_bytes": 2,
        "total_files": 3,
        "total_bytes": 4,
        "current": "/x",
    }


def test_speed_is_that_of_the_last_seconds():
    speed = Speedometer()
    assert speed.read(0.0, 0) == 0
    assert speed.read(1.0, 100) == 100
    assert speed.read(11.0, 200) == 10
    assert speed.read(20.0, 200) == 0


@pytest.fixture
def terminal(monkeypatch):
    """A terminal of 80 columns: its stream, and what was sent to it so far."""
    leader, follower = pty.openpty()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    with os.fdopen(follower, "w", encoding="utf-8") as stream:

        def sent():
            # One read may give a part of it: read until the mark at its end.
            stream.write("<end>")
            stream.flush()
            text = ""
            while not text.endswith("<end>"):
                text += os.read(leader, 1 << 16).decode()
            return text.removesuffix("<end>")

        yield stream, sent
    os.close(leader)


def test_bar_shows_how_far_and_goes_away(stream, terminal):
    screen, sent = terminal
    reporter = TerminalReporter(Output(stream), screen, use_color=False)
    reporter.begin(Progress("backup", 7, 1 << 20, 10, 4 << 20, b"/a\x1b[2J"))
    reporter.problem(Problem(b"/b", "cannot be read"))
    reporter.end()
    reporter.close()
    text = sent()
    for part in ("backup", " 25%", "1.0 MiB of 4.0 MiB", "7 of 10 files"):
        assert part in text
    assert "/a\\x1b[2J" in text
    assert "chunkvault: /b: cannot be read" in text
    assert text.rindex("\x1b[2K") > text.rindex("7 of 10 files")


def test_entries_go_to_standard_output_where_that_is_no_terminal(stream, terminal):
    screen, _ = terminal
    reporter = TerminalReporter(Output(stream), screen)
    reporter.entry("missing", b"/a")
    assert stream.getvalue() == "missing    /a\n"
