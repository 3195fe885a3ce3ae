import base64
import errno
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkvault.cli.output import (
    Output,
    OutputLost,
    count,
    human_duration,
    human_size,
    path_fields,
    printable,
)


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain name.txt", "plain name.txt"),
        (
            "gr\u00fc\u00df \u65e5\u672c \U0001f600".encode(),
            "gr\u00fc\u00df \u65e5\u672c \U0001f600",
        ),
        (b"a\nb\tc\0", "a\\x0ab\\x09c\\x00"),
        (b"\x1b[31mred", "\\x1b[31mred"),
        (b"\x7f", "\\x7f"),
        ("\x9b31m".encode(), "\\x9b31m"),
        (b"caf\xe9", "caf\\xe9"),
        ("evil\u202egnp.exe".encode(), "evil\\u202egnp.exe"),
        ("\u200b\u2066".encode(), "\\u200b\\u2066"),
        ("\U000e0041".encode(), "\\U000e0041"),
        ("text\n", "text\\x0a"),
    ],
)
def test_name_is_shown_without_what_a_terminal_would_obey(name, shown):
    assert printable(name) == shown


@given(st.binary(max_size=40))
def test_no_name_sends_control_characters_to_a_terminal(name):
    assert printable(name).isprintable()


@given(st.binary(max_size=40))
def test_json_gives_every_name_back_exactly(name):
    fields = json.loads(json.dumps(path_fields(name)))
    if "path_bytes" in fields:
        assert base64.b64decode(fields["path_bytes"]) == name
    else:
        assert fields["path"].encode() == name
    fields["path"].encode()  # no lone surrogates


@given(st.binary(max_size=40))
def test_json_sends_nothing_but_plain_characters(name):
    stream = io.StringIO()
    Output(stream).json_line(path_fields(name))
    assert stream.getvalue().rstrip("\n").isprintable()
    assert stream.getvalue().isascii()


@pytest.mark.parametrize("number", [0, 1, 3])
def test_json_array_is_one_document(number):
    stream = io.StringIO()
    Output(stream).json_array({"number": one} for one in range(number))
    assert json.loads(stream.getvalue()) == [{"number": one} for one in range(number)]


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_288_490, "1.2 MiB"),
        (1024**2 - 1, "1.0 MiB"),
        (1024**3, "1.0 GiB"),
        (5 * 1024**7, "5120.0 EiB"),
    ],
)
def test_size_is_shown_in_the_unit_that_fits(size, shown):
    assert human_size(size) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.9, "0:00"), (65, "1:05"), (12_009, "3:20:09")]
)
def test_duration_is_shown_as_on_a_clock(seconds, shown):
    assert human_duration(seconds) == shown


def test_count_knows_one_from_many():
    assert count(1, "file") == "1 file"
    assert count(12_345, "file") == "12,345 files"
    assert count(0, "entry", "entries") == "0 entries"


def test_table_aligns_its_columns():
    stream = io.StringIO()
    Output(stream).table(
        ["id", "size", "path"],
        [["1", "10 B", "/a"], ["22", "5 B", "/b c"]],
        right="size",
    )
    assert stream.getvalue() == ("id  size  path\n1   10 B  /a\n22   5 B  /b c\n")


def test_columns_are_straight_whatever_is_in_them():
    stream = io.StringIO()
    rows = [("\u65e5\u672c", "1"), ("u\u0308x", "22"), ("abc", "333")]
    Output(stream).table(["name", "size"], rows, right="size")
    assert stream.getvalue().splitlines() == [
        "name  size",
        "\u65e5\u672c     1",  # each of the two is two columns wide
        "u\u0308x      22",  # the dots take none
        "abc    333",
    ]


class FullDisk(io.StringIO):
    def write(self, text):
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    "write",
    [
        lambda output: output.line("x"),
        lambda output: output.json_line({}),
        lambda output: output.json_array([{}]),
        lambda output: output.table(["x"], [["y"]]),
    ],
)
def test_lost_output_is_no_error_of_a_file(write):
    with pytest.raises(OutputLost) as caught:
        write(Output(FullDisk()))
    assert not isinstance(caught.value, Exception)
    assert caught.value.reason.errno == errno.ENOSPC


@pytest.mark.parametrize("number", [0, 1, 511, 512, 513, 2000])
def test_many_lines_are_those_that_came_one_by_one(number):
    many, single = io.StringIO(), io.StringIO()
    texts = [f"line {at}" for at in range(number)]
    Output(many).lines(iter(texts))
    for text in texts:
        Output(single).line(text)
    assert many.getvalue() == single.getvalue()


def test_lines_before_a_failure_are_written():
    def texts():
        yield "one"
        yield "two"
        raise LookupError

    stream = io.StringIO()
    with pytest.raises(LookupError):
        Output(stream).lines(texts())
    assert stream.getvalue() == "one\ntwo\n"


def test_on_a_terminal_each_line_is_written_as_it_comes():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()

    def texts():
        for at in range(3):
            assert stream.getvalue().count("\n") == at
            yield str(at)

    Output(stream).lines(texts())
    assert stream.getvalue() == "0\n1\n2\n"
