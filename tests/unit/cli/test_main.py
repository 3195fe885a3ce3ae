import errno
import json
import os
import signal
import subprocess
import sys

import pytest

from chunkvault.cli import context
from chunkvault.cli.commands import COMMANDS, ls
from chunkvault.cli.failures import describe_failure
from chunkvault.cli.main import main
from chunkvault.errors import DamageError, Interrupted, WrongKey
from tests.support.builders import KEY
from tests.support.command import Program

HEAVY = {
    "b2sdk",
    "blake3",
    "boto3",
    "fastcdc",
    "msgpack",
    "nacl",
    "pathspec",
    "rich",
    "sqlite3",
    "subprocess",
    "zstandard",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for name in list(os.environ):
        if name.startswith("CHUNKVAULT_"):
            monkeypatch.delenv(name)


@pytest.fixture
def failing(monkeypatch):
    """Make a command fail as we like."""

    def fail(error):
        def run(arguments, context):
            raise error

        monkeypatch.setattr(ls, "run", run)

    return fail


def imported_modules(*words):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "chunkvault", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if "|" in line}


@pytest.mark.parametrize(
    "words", [("--help",), ("--version",), *((name, "--help") for name in COMMANDS)]
)
def test_help_does_not_wait_for_what_only_operations_need(words):
    assert not HEAVY & {name.partition(".")[0] for name in imported_modules(*words)}


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (WrongKey("the password opens nothing"), 12, "the password opens nothing"),
        (DamageError("gone", object_name="x"), 20, "gone"),
        (Interrupted(signal.SIGTERM), 143, "interrupted"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), 22, "/x: no space"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "too many open files"),
        (
            PermissionError(errno.EACCES, "Permission denied", b"/\xff"),
            1,
            "\\xff: perm",
        ),
        (RecursionError("deep"), 1, "internal error: RecursionError: deep"),
        (KeyError("x"), 1, "internal error: KeyError: 'x'; this is a bug"),
        (ExceptionGroup("several", [ValueError("x")]), 1, "internal error"),
    ],
)
def test_error_is_told_in_one_line_and_a_hint_with_its_code(
    failing, capsys, error, code, text
):
    failing(error)
    assert main(["ls"]) == code
    told = capsys.readouterr()
    first, *rest = told.err.splitlines()
    assert first.startswith("chunkvault: ")
    assert text in first
    assert len(rest) <= 1
    assert all(line.startswith("chunkvault: hint: ") for line in rest)
    assert told.out == ""


def test_error_is_one_json_object_where_json_was_asked_for(failing, capsys):
    failing(WrongKey("the password opens nothing", hint="another"))
    assert main(["ls", "--json"]) == 12
    assert json.loads(capsys.readouterr().err) == {
        "message_type": "error",
        "exit_code": 12,
        "message": "the password opens nothing",
        "hint": "another",
    }


def test_broken_pipe_that_is_not_our_output_is_told(failing, capsys):
    failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert main(["ls"]) == 1
    assert "chunkvault: broken pipe" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("ls", "x"),
        ("backup", "x"),
        ("diff", "latest", "latest", "x"),
        ("cat", "x"),
        ("history", "x"),
        ("import", "duplicity", "x"),
        ("export", "duplicity", "x", "--no-encryption"),
    ],
)
def test_folder_that_was_deleted_under_the_command_is_told(
    capsys, monkeypatch, tmp_path, words
):
    (tmp_path / "key").write_bytes(KEY.key)
    (tmp_path / "key").chmod(0o600)
    monkeypatch.setenv("CHUNKVAULT_KEY_FILE", str(tmp_path / "key"))
    place = ("-r", str(tmp_path / "repository"), "--no-cache")
    assert main([*place, "init", "-q"]) == 0
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    capsys.readouterr()
    assert main([*place, *words]) == 1
    assert capsys.readouterr().err == (
        "chunkvault: the current folder was deleted\n"
        "chunkvault: hint: go to one that exists, or write paths with a / in front\n"
    )


def test_error_does_not_send_control_characters(failing, capsys):
    failing(WrongKey("\x1b[2J"))
    main(["ls"])
    assert "\\x1b[2J" in capsys.readouterr().err


def test_traceback_is_shown_only_where_it_was_asked_for(failing, capsys, monkeypatch):
    failing(ValueError("x"))
    main(["ls"])
    told = capsys.readouterr().err
    assert "Traceback" not in told
    assert "CHUNKVAULT_DEBUG=1" in told
    monkeypatch.setenv("CHUNKVAULT_DEBUG", "1")
    main(["ls"])
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no command was given"),
        (["frob"], "no command 'frob'"),
        (["ls"], "no repository was named"),
        (["ls", "--frob"], "--frob"),
        (["backup", "-r", "/nowhere"], "nothing to back up"),
        (["restore", "-r", "/nowhere"], "--to"),
        (["check", "--read-data-subset", "0%"], "'0%'"),
        (["key", "remove"], "SLOT"),
        (["key", "list", "--device", "x"], "--device"),
        (["cat", "/x", "--json"], "JSON"),
        (["ls", "-r", "ftp:x"], "ftp"),
        (["backup", "/", "-r", "memory:", "--time", "1969-01-01"], "1970 and 2554"),
        (["backup", "/", "-r", "memory:", "--time", "2999-01-01"], "1970 and 2554"),
        (["backup", "/x", "--tag", ""], "a tag cannot be empty"),
        (["backup", "/x", "--tag", " "], "a tag cannot be empty"),
        (["backup", "/x", "--tag", "a,b"], "'a,b'"),
        (["backup", "/x", "--tag", "a\nb"], "'a\\x0ab'"),
        (["backup", "/x", "--tag", "a\udcff"], "'a\\xff'"),
        (["backup", "/x", "--host", ""], "a host cannot be empty"),
        (["import", "duplicity", "/x", "--tag", ""], "a tag cannot be empty"),
        (["import", "duplicity", "/x", "--host", "\x1b"], "'\\x1b'"),
    ],
)
def test_nonsense_is_a_usage_error(capsys, monkeypatch, words, text):
    monkeypatch.setenv("CHUNKVAULT_PASSWORD", "x")
    assert main(words) == 2
    assert text in capsys.readouterr().err


def test_clock_before_1970_is_told(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CHUNKVAULT_PASSWORD", "x")
    monkeypatch.setattr(context, "now_ns", lambda: -1)
    assert main(["backup", "-r", "memory:", str(tmp_path)]) == 1
    assert capsys.readouterr().err == (
        "chunkvault: the clock of this machine is before 1970\n"
        "chunkvault: hint: set the clock\n"
    )


def test_missing_repository_is_named(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CHUNKVAULT_PASSWORD", "x")
    assert main(["ls", "--no-cache", "-r", str(tmp_path / "none")]) == 10
    assert str(tmp_path / "none") in capsys.readouterr().err


def test_help_and_version_succeed(capsys):
    for words in (["--help"], ["help"], ["--version"], ["help", "ls"], ["ls", "-h"]):
        assert main(words) == 0
        assert "chunkvault" in capsys.readouterr().out


def test_errno_without_words_is_described():
    assert describe_failure(OSError("odd")).message.startswith("internal error")


def run_program(text, *, read_by=None):
    """Run a program that calls ``main.run`` with a command of its own.

    Args:
        text: the command.
        read_by: a shell's program that its output is piped into.
    """
    program = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # whoever started the tests
        "from chunkvault.cli import main\n"
        "from chunkvault.cli.commands import ls\n"
        "os.environ['CHUNKVAULT_REPOSITORY'] = 'memory:'\n"
        f"def command(arguments, context):\n    {text}\n    return 0\n"
        "ls.run = command\n"
        "sys.argv = ['chunkvault', 'ls']\n"
        "main.run()\n"
    )
    words = [sys.executable, "-c", program]
    if read_by is not None:
        pipe = f'set -o pipefail; "$@" | {read_by}'
        words = ["bash", "-c", pipe, "bash", *words]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)]
)
def test_signal_ends_the_command_with_its_code(name, code):
    done = run_program(f"signal.raise_signal(signal.{name}); time.sleep(60)")
    assert done.returncode == code
    assert "chunkvault: interrupted" in done.stderr
    assert "Traceback" not in done.stderr


def test_second_signal_ends_at_once():
    text = (
        "\n    try: signal.raise_signal(signal.SIGINT)"
        "\n    finally: signal.raise_signal(signal.SIGINT); time.sleep(60)"
    )
    done = run_program(text)
    assert done.returncode == 130
    assert done.stderr == ""


@pytest.mark.parametrize(
    "text",
    [
        # More than a pipe holds, so that the reader is gone before the end.
        "for number in range(99_999): context.output.line(str(number))",
        "for number in range(99_999): context.output.json_line({'number': number})",
    ],
)
def test_reader_that_has_enough_ends_the_command_as_it_ends_others(text):
    done = run_program(text, read_by="head -1")
    assert (done.returncode, done.stderr) == (141, "")
    assert len(done.stdout.splitlines()) == 1


def test_reader_of_the_entries_that_goes_away_costs_no_file(tmp_path):
    (tmp_path / "source").mkdir()
    for number in range(999):  # their names are more than a pipe holds
        (tmp_path / "source" / f"{number:0100}").write_bytes(b"")
    program = Program(tmp_path)
    program.environment |= {"CHUNKVAULT_PASSWORD": "x"}
    del program.environment["CHUNKVAULT_KEY_FILE"]
    assert program.run("init").returncode == 0
    command = [sys.executable, "-m", "chunkvault", "backup", "-v", tmp_path / "source"]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | head -1', "bash", *command],
        env=program.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (141, "")
    assert program.run("snapshots").stdout == "no snapshots\n"


@pytest.mark.parametrize("words", [("--help",), ("ls", "--help")])
def test_reader_of_the_help_may_go_away(words):
    read_end, write_end = os.pipe()
    os.close(read_end)
    with open(write_end, "wb") as closed:
        done = subprocess.run(
            [sys.executable, "-m", "chunkvault", *words],
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_warnings_are_not_shown():
    done = run_program("import warnings; warnings.warn('careful')")
    assert (done.returncode, done.stderr) == (0, "")


def test_core_dumps_are_off_and_files_at_the_limit():
    done = run_program(
        "import resource; print(resource.getrlimit(resource.RLIMIT_CORE),"
        " len(set(resource.getrlimit(resource.RLIMIT_NOFILE))))"
    )
    assert done.stdout == "(0, 0) 1\n"


@pytest.mark.parametrize("words", [("--help",), ("ls", "--help")])
def test_output_that_cannot_be_written_is_a_failure(words):
    with open("/dev/full", "w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chunkvault", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 22
    assert done.stderr.startswith("chunkvault: no space left on device\n")


def test_nobody_is_asked_for_the_password_of_a_repository_that_is_not_there(
    tmp_path, capsys
):
    # Nobody can be asked here, which would be the error if the password came first.
    assert main(["-r", str(tmp_path / "none"), "--no-cache", "snapshots"]) == 10
    assert "there is no repository at" in capsys.readouterr().err
