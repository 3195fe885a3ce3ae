"""The documents say what the code does: commands, exit codes, chapters, links."""

import importlib.util
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent
README = PROJECT / "README.md"
DOCUMENTS = [README, *sorted((PROJECT / "docs").rglob("*.md"))]
COMMANDS = sorted(
    path.stem.rstrip("_").replace("_", "-")
    for path in (PROJECT / "chunkvault" / "cli" / "commands").glob("*.py")
    if not path.stem.startswith("_")
)
# The glossary's words exclude these; a folder of duplicity or of tar may be named.
WRONG_WORDS = re.compile(r"\b(packfile|segments?|manifests?)\b", re.IGNORECASE)
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


def errors():
    return list(load_tool("list_errors").error_classes())


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_shown_in_the_readme(command):
    assert re.search(rf"chunkvault {re.escape(command)}\b", README.read_text())


def test_readme_shows_no_command_that_does_not_exist():
    examples = "".join(re.findall(r"```\n(.*?)```", README.read_text(), re.DOTALL))
    shown = re.findall(r"^chunkvault ([a-z]+)", examples, re.MULTILINE)
    assert set(shown) <= set(COMMANDS)


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
    signals = {130, 143}
    assert exit_code_table() == {0, 3} | {e.exit_code for e in errors()} | signals


def test_exit_codes_of_the_readme_are_those_of_the_document():
    rows = re.findall(r"^\| ([\d, ]+) \|", README.read_text(), re.MULTILINE)
    assert {int(code) for row in rows for code in row.split(",")} == exit_code_table()


def test_drawing_of_the_errors_shows_each_with_its_code():
    drawn = (PROJECT / "chunkvault" / "errors.py").read_text().partition('"""\n\n')[0]
    for error in errors():
        line = re.search(rf"\b{error.__name__}\b.*", drawn)
        assert line, error
        if "exit_code" in vars(error) and error.__name__ != "Interrupted":
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
