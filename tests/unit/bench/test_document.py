"""What is written: the part of a document between its marks, and the chart."""

import xml.etree.ElementTree as ET

import pytest

from bench.chart import Panel, draw_chart, panels_of
from bench.document import BEGIN, END, replace_generated
from bench.main import DOCUMENT
from bench.measuring import Cost
from bench.results import Measurement, Results, Topic
from bench.table import size

SVG = "{http://www.w3.org/2000/svg}"


def test_only_what_is_between_the_marks_is_replaced(tmp_path):
    document = tmp_path / "d.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    replace_generated(document, r"new \1")
    replace_generated(document, "newer")
    assert document.read_text() == f"before\n{BEGIN}\n\nnewer\n\n{END}\nafter\n"


@pytest.mark.parametrize("text", ["", BEGIN, f"{END}{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_document_without_marks_is_left_alone(text, tmp_path):
    document = tmp_path / "d.md"
    document.write_text(text)
    with pytest.raises(ValueError, match="mark"):
        replace_generated(document, "new")
    assert document.read_text() == text


def test_document_of_the_project_has_its_marks():
    text = DOCUMENT.read_text()
    assert text.count(BEGIN) == text.count(END) == 1


def test_bars_are_as_long_as_their_figures():
    panel = Panel("a < b", [("chunkvault", 10.0), ("restic", 40.0)], size)
    root = ET.fromstring(draw_chart([panel]))
    bars = [rect for rect in root.iter(f"{SVG}rect") if rect.get("height") == "13"]
    lengths = [float(bar.get("width")) for bar in bars]
    assert lengths[1] == pytest.approx(4 * lengths[0], rel=0.01)
    assert bars[0].get("fill") != bars[1].get("fill")
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert "a < b" in texts


def test_panels_are_drawn_only_where_there_is_something_to_compare():
    topic = Topic(workload=1, step="first backup")
    cost = Cost(wall_s=1.0, cpu_s=1.0, peak_bytes=1)
    ours = Measurement(topic=topic, program="chunkvault", cost=cost)
    theirs = Measurement(topic=topic, program="restic", cost=cost)
    assert panels_of(Results([ours])) == []
    [panel] = panels_of(Results([ours, theirs]))
    assert panel.bars == [("chunkvault", 1.0), ("restic", 1.0)]


def test_nothing_to_draw_is_still_a_picture():
    assert ET.fromstring(draw_chart([])).tag == f"{SVG}svg"
