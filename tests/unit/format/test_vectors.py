"""Golden vectors: what format 1 is, byte for byte, and what a reader refuses."""

import importlib.util
import json
from pathlib import Path

import pytest

from chunkvault import errors
from tools.vectors.case import parse_case
from tools.vectors.readers import READERS

PROJECT = Path(__file__).resolve().parents[3]
VECTORS = PROJECT / "tests" / "vectors"
OUTCOMES = {"ok", "DamageError", "FormatError", "UnsupportedFormat", "WrongKey"}


def load_vectors():
    for path in sorted(VECTORS.rglob("*.txt")):
        yield parse_case(path.parent.name, path.stem, path.read_text())


CASES = [
    pytest.param(case, decoded, id=f"{case.chapter}/{case.name}")
    for case, decoded in load_vectors()
]


def load_tool():
    path = PROJECT / "tools" / "make_vectors.py"
    spec = importlib.util.spec_from_file_location("make_vectors", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("case", "decoded"), CASES)
def test_reader_finds_what_the_vector_says(case, decoded):
    assert case.expect in OUTCOMES
    if case.expect == "ok":
        assert json.loads(case.decoded()) == json.loads(decoded)
        return
    with pytest.raises(getattr(errors, case.expect)) as caught:
        case.decoded()
    assert type(caught.value).__name__ == case.expect
    assert str(caught.value)


@pytest.mark.parametrize("chapter", READERS)
def test_every_chapter_has_vectors_that_are_read(chapter):
    outcomes = {case.values[0].expect for case in CASES if chapter in case.id}
    assert "ok" in outcomes
    # Whatever bytes: a size, a blob and a master key cannot be malformed.
    assert len(outcomes) > 1 or chapter in ("1-padding", "3-subkeys", "4-blobs")


def test_there_are_many_more_vectors_of_what_is_refused():
    assert sum(case.values[0].expect != "ok" for case in CASES) > 300


def test_vectors_are_what_the_tool_makes(capsys):
    assert load_tool().main(["--check"]) == 0, capsys.readouterr().out


def test_tool_makes_all_of_them_from_nothing(tmp_path, capsys):
    tool = load_tool()
    assert tool.main(["--check"], tmp_path) == 1
    assert "missing: 2-config/ok.txt" in capsys.readouterr().out
    assert tool.main([], tmp_path) == 0
    assert tool.main(["--check"], tmp_path) == 0
    assert capsys.readouterr().out == ""


def test_tool_does_not_touch_a_vector_that_differs(tmp_path, capsys):
    tool = load_tool()
    tool.main([], tmp_path)
    path = tmp_path / "2-config" / "ok.txt"
    edited = path.read_text().replace("4356", "4357")
    path.write_text(edited)
    (tmp_path / "2-config" / "odd.txt").write_text("expect: ok\n\n00\n")
    assert tool.main([], tmp_path) == 1
    assert path.read_text() == edited
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["differs: 2-config/ok.txt", "differs: 2-config/odd.txt"]


def test_tool_replaces_what_differs_when_told_to(tmp_path):
    tool = load_tool()
    tool.main([], tmp_path)
    path = tmp_path / "2-config" / "ok.txt"
    original = path.read_text()
    path.write_text(original.replace("4356", "4357"))
    assert tool.main(["--force"], tmp_path) == 0
    assert path.read_text() == original
    assert tool.main(["--check"], tmp_path) == 0
