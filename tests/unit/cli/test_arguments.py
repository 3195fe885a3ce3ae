import pytest

from chunkvault.cli.arguments import (
    build_parser,
    overview,
    parse_command,
    split_command,
)
from chunkvault.cli.commands import COMMANDS, load_command
from chunkvault.errors import UsageError


@pytest.mark.parametrize(
    ("words", "name", "rest"),
    [
        ([], None, []),
        (["--help"], None, ["--help"]),
        (["ls", "-l"], "ls", ["-l"]),
        (["-r", "backup", "ls"], "ls", ["-r", "backup"]),
        (["--repository=x", "ls"], "ls", ["--repository=x"]),
        (["-rx", "ls"], "ls", ["-rx"]),
        (["-qr", "x", "ls"], "ls", ["-qr", "x"]),
        (["-q", "--key-file", "k", "ls", "a"], "ls", ["-q", "--key-file", "k", "a"]),
        (["-r"], None, ["-r"]),
        (["--", "ls"], None, ["--", "ls"]),
    ],
)
def test_command_is_found_among_global_options(words, name, rest):
    assert split_command(words) == (name, rest)


@pytest.mark.parametrize(
    "words",
    [
        ["-r", "x", "a", "b"],
        ["a", "b", "-r", "x"],
        ["a", "-rx", "b"],
        ["-r", "x", "--", "a", "b"],
        ["a", "-r", "x", "--", "b"],
    ],
)
def test_paths_and_options_may_alternate(words):
    _, arguments = parse_command("backup", words)
    assert (arguments.paths, arguments.repository) == (["a", "b"], "x")


def test_what_follows_two_dashes_is_no_option():
    _, arguments = parse_command("backup", ["-q", "--", "-v", "--exclude", "--"])
    assert arguments.paths == ["-v", "--exclude", "--"]
    assert not arguments.verbose
    _, arguments = parse_command("cat", ["--", "-odd"])
    assert arguments.path == "-odd"


def test_rules_of_a_backup_keep_their_order():
    words = [
        "--exclude",
        "a",
        "p",
        "--include=b",
        "--exclude-file",
        "c",
        "--exclude",
        "d",
    ]
    _, arguments = parse_command("backup", words)
    assert arguments.rules == [
        ("--exclude", "a"),
        ("--include", "b"),
        ("--exclude-file", "c"),
        ("--exclude", "d"),
    ]


@pytest.mark.parametrize(
    ("name", "words", "message"),
    [
        ("bakcup", [], "no command 'bakcup'"),
        ("ls", ["--frobnicate"], "--frobnicate"),
        ("cat", [], "PATH"),
        ("key", ["frob"], "invalid choice"),
        ("restore", ["--workers", "x"], "--workers"),
    ],
)
def test_words_that_make_no_sense_are_refused_with_a_hint(name, words, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_command(name, words)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "meant"), [("bakcup", "backup"), ("list", "snapshots"), ("dump", "cat")]
)
def test_other_words_for_a_command_are_understood_in_the_hint(name, meant):
    with pytest.raises(UsageError) as caught:
        parse_command(name, [])
    assert f"'{meant}'" in caught.value.hint


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_says_what_it_does_and_shows_examples(name):
    text = build_parser(name, load_command(name)).format_help()
    assert COMMANDS[name] in text.lower()
    assert f"chunkvault {name}" in text.partition("example")[2]
    assert "CHUNKVAULT_REPOSITORY" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_a_command_is_explained(name):
    parser = build_parser(name, load_command(name))
    for action in parser._actions:
        assert action.help, f"{name} {action.option_strings or action.dest}"


def test_overview_names_every_command():
    for name, summary in COMMANDS.items():
        assert f"{name} " in overview()
        assert summary in overview()
