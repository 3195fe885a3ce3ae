"""The documents say what the code does: commands, exit codes, chapters, links."""

import importlib.util
import re
import shlex
from itertools import takewhile
from pathlib import Path

import pytest

from chunkvault.cli.arguments import parse_command, split_command
from chunkvault.cli.commands import load_command

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
DOCUMENTS = [README, *sorted((PROJECT / "docs").rglob("*.md"))]
SOURCES = [
    path
    for folder in ("chunkvault", "tests", "bench", "tools")
    for path in sorted((PROJECT / folder).rglob("*.py"))
]
COMMANDS = sorted(
    path.stem.rstrip("_").replace("_", "-")
    for path in (PROJECT / "chunkvault" / "cli" / "commands").glob("*.py")
    if not path.stem.startswith("_")
)
# The glossary's words exclude these; a folder of duplicity or of tar may be named.
WRONG_WORDS = re.compile(r"\b(packfile|segments?|manifests?)\b", re.IGNORECASE)
COMMAND_LINE = re.compile(
    r"^(?:\$ |\s+|.*\| |[\d* ]+.*/)?chunkvault (.*)$", re.MULTILINE
)
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")

each_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT))
)


def load_tool(name):
    """A script of tools/, as a module."""
    path = PROJECT / "tools" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exit_code_table():
    """Codes in the first table of docs/exit-codes.md."""
    text = (PROJECT / "docs" / "exit-codes.md").read_text()
    rows = re.findall(
        r"^\| ([\d, ]+) \|", text.partition("## Every error")[0], re.MULTILINE
    )
    return {int(code) for row in rows for code in row.split(",")}


def shown_commands(text):
    """The words that follow ``chunkvault`` on the lines of a text, up to a pipe."""
    for line in COMMAND_LINE.findall(text.replace("\\\n", " ")):
        words = shlex.split(line, comments=True)
        yield list(takewhile(lambda word: word[0] not in "|<>&…", words))


def fenced(text):
    """What stands in a document's blocks of code."""
    return "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))


def errors():
    return list(load_tool("list_errors").error_classes())


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_shown_in_the_readme(command):
    assert re.search(rf"chunkvault {re.escape(command)}\b", README.read_text())


def test_readme_shows_no_command_that_does_not_exist():
    examples = "".join(re.findall(r"```\n(.*?)```", README.read_text(), re.DOTALL))
    shown = re.findall(r"^chunkvault ([a-z]+)", examples, re.MULTILINE)
    assert set(shown) <= set(COMMANDS)


@each_document
def test_commands_that_a_document_shows_are_understood(document):
    for words in shown_commands(fenced(document.read_text())):
        parse_command(*split_command(words))


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_the_help_are_understood_and_show_the_command_first(command):
    _, _, examples = load_command(command).EXAMPLES.partition("example")
    shown = [
        parse_command(*split_command(words))[0] for words in shown_commands(examples)
    ]
    assert shown[0] is load_command(command)


@each_document
def test_a_document_speaks_of_commands_that_there_are(document):
    spoken = re.findall(r"`chunkvault ([a-z]+)", document.read_text())
    assert set(spoken) <= set(COMMANDS)


@each_document
def test_files_of_code_that_a_document_names_are_there(document):
    if document.parent.name == "decisions":
        return  # they tell of the day on which they were made
    for named in re.findall(r"`([\w/]+\.py)`", document.read_text()):
        assert any(str(path).endswith(f"/{named}") for path in SOURCES), named


def test_what_the_tour_points_at_is_in_the_code():
    text = (PROJECT / "docs" / "tour.md").read_text()
    pointed = {
        word
        for name in re.findall(r"`([A-Za-z_]\w*(?:\.\w+)?)`", text)
        for word in name.removesuffix(".py").split(".")
    }
    program = sorted((PROJECT / "chunkvault").rglob("*.py"))
    code = {path.stem for path in program}.union(
        *(re.findall(r"\w+", path.read_text()) for path in program)
    )
    assert pointed <= code


def test_readme_starts_with_set_up_and_tests():
    first_screen = "\n".join(README.read_text().splitlines()[:40])
    assert "tools/quickstart" in first_screen
    assert "tools/test" in first_screen


@each_document
def test_links_lead_somewhere(document):
    for target in LINK.findall(document.read_text()):
        if "://" not in target and not target.startswith("mailto:"):
            assert (document.parent / target).exists(), target


@each_document
def test_document_uses_the_words_of_the_glossary(document):
    if "duplicity" in document.name:
        return  # where duplicity's own words hold
    assert not WRONG_WORDS.findall(document.read_text())


def test_table_of_errors_is_the_tree_of_errors():
    table = load_tool("list_errors").error_table()
    assert table in (PROJECT / "docs" / "exit-codes.md").read_text()


def test_every_exit_code_is_explained():
    signals, reader_gone = {130, 143}, {141}
    codes = {0, 3} | {e.exit_code for e in errors()}
    assert exit_code_table() == codes | signals | reader_gone


def test_exit_codes_of_the_readme_are_those_of_the_document():
    rows = re.findall(r"^\| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == exit_code_table()


def test_drawing_of_the_errors_shows_each_with_its_code():
    drawn = (PROJECT / "chunkvault" / "errors.py").read_text().partition('"""\n\n')[0]
    for error in errors():
        line = re.search(rf"\b{error.__name__}\b.*", drawn)
        assert line, error
        if "exit_code" in vars(error):
            assert str(error.exit_code) in line[0]


def test_every_chapter_of_the_format_names_its_module():
    text = (PROJECT / "docs" / "format.md").read_text()
    named = set(re.findall(r"chunkvault/format/(\w+)\.py", text))
    written = {
        path.stem
        for path in (PROJECT / "chunkvault" / "format").glob("*.py")
        if path.stem != "__init__"
    }
    assert named == written


def test_decisions_are_numbered_without_gaps():
    numbers = sorted(
        int(path.name[:4]) for path in (PROJECT / "docs" / "decisions").glob("0*.md")
    )
    assert numbers == list(range(1, len(numbers) + 1))
