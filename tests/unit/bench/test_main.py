"""The command line of the bench."""

import json
from dataclasses import replace

import pytest

from bench import main
from bench.results import Measurement, Results, Topic
from bench.workbench import QUICK


def parse(*words):
    return main.parse_arguments(words)


def test_only_a_full_run_writes_the_document():
    assert parse().write
    assert not parse("--quick").write
    assert not parse("--only", "1").write
    assert not parse("--programs", "restic").write
    assert parse("--only", "1", "--write").write
    assert not parse("--no-write").write


@pytest.mark.parametrize(
    "words", [["--only", "12"], ["--only", "x"], ["--places", "moon"]]
)
def test_nonsense_is_refused(words):
    with pytest.raises(SystemExit):
        parse(*words)


def test_help_names_every_workload(capsys):
    with pytest.raises(SystemExit):
        parse("--help")
    shown = capsys.readouterr().out
    assert all(title in shown for title in main.TITLES.values())


def test_figures_of_another_run_are_taken_but_for_what_is_measured_now(tmp_path):
    before = Results(
        Measurement(topic=Topic(workload=n, step="s"), program="restic", growth_bytes=n)
        for n in (1, 2)
    )
    file = tmp_path / "before.json"
    rows = {"notes": ["of then"], "rows": before.as_rows()}
    file.write_text(json.dumps(rows))
    now = Results()
    main._take_over(now, file, frozenset({2}))
    assert [one.topic.workload for one in now.measurements] == [1]
    assert now.notes == ["of then"]


def test_quick_run_of_one_workload_prints_and_keeps_its_figures(
    tmp_path, capfd, monkeypatch
):
    sizes = {"cold_blobs": 2000, "cold_files": 200, "cold_snapshots": 3}
    monkeypatch.setattr(main, "QUICK", replace(QUICK, **sizes))
    figures = tmp_path / "figures.json"
    words = ["--quick", "--only", "11", "--programs", "chunkvault"]
    code = main.main([*words, "--work", str(tmp_path / "work"), "--json", str(figures)])
    shown = capfd.readouterr().out
    assert code == 0
    assert "## Goals" in shown
    assert "11, cold start" in shown
    assert "About this run" in shown
    [timed, counted] = json.loads(figures.read_text())["rows"]
    assert timed["cost"]["wall_s"] > 0
    assert counted["requests"] > 0
