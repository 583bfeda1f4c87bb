"""`list`, `show` and `table`: what was made, read back for people and for programs."""

import json
from pathlib import Path

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI
from reports import aggregate, report
from rich.cells import cell_len

from evalkit.report.write import write


@pytest.fixture
def results(evalkit: Commands) -> Path:
    folder = Path("results")
    f1 = [aggregate("f1_macro", 0.5), aggregate("f1[positive]", 0.4)]
    write(report("20260101-000000-aaaaaa", *f1), [], folder)
    bleu = aggregate("bleu", 34.21, low=30.0, high=40.0, maximum=100.0)
    translation = {"name": "translation"}
    data = {"name": "句子 👩‍👩‍👧", "fingerprint": "f" * 64, "n": 10}
    write(report("20260102-000000-bbbbbb", bleu, task=translation, dataset=data), [], folder)
    return folder


def test_table_is_aligned_over_wide_characters_and_never_cut(evalkit: Commands, results: Path) -> None:
    long = "x" * 300
    write(report("20260103-000000-cccccc", model={**report().model, "asked": long}), [], results)
    lines = evalkit("table", "20260101", "20260102", "20260103").out.splitlines()
    header, *rows, note = lines
    assert note == "scores x 100 with 95% intervals; BLEU, chrF and TER on their own 0-100 scale"
    assert long in rows[-1]
    start = cell_len(header.partition("interval")[0])
    assert [cell_len(row.partition("[")[0]) for row in rows] == [start] * len(rows)
    assert [row.split("[")[0].split()[-1] for row in rows] == ["50.0", "34.2", "50.0"]


def test_table_hides_single_classes_unless_asked(evalkit: Commands, results: Path) -> None:
    assert "f1[positive]" not in evalkit("table", "20260101").out
    assert "f1[positive]" in evalkit("table", "20260101", "--all").out
    assert "f1[positive]" not in evalkit("table", "20260101", "--wide").out
    assert "f1[positive]" in evalkit("table", "20260101", "--wide", "--all").out
    assert "f1[positive]" in evalkit("show", "20260101").out


def test_table_for_programs_has_stored_values(evalkit: Commands, results: Path) -> None:
    one, other = json.loads(evalkit("table", "20260101", "20260102", "--json").out)
    assert one["metrics"]["f1[positive]"]["value"] == 0.4
    assert other["metrics"]["bleu"]["value"] == 34.21
    assert other["dataset"]["name"] == "句子 👩‍👩‍👧"
    assert one["folder"] == "results/runs/sentiment/20260101-000000-aaaaaa"
    assert {"run_id", "created", "status", "task", "model", "counts", "usage", "cost"} <= one.keys()


def test_show_gives_the_whole_report_to_programs(evalkit: Commands, results: Path) -> None:
    data = json.loads(evalkit("show", "20260101", "--json").out)
    stored = json.loads((Path(data.pop("folder")) / "report.json").read_text())
    assert data == stored


def test_hostile_names_stay_on_their_line(evalkit: Commands, results: Path) -> None:
    evil = "a\x1b[31m\nb\u202ec"
    write(
        report(
            "20260104-000000-dddddd",
            aggregate("m", signature=evil),
            dataset={"name": evil, "fingerprint": evil, "n": 1},
            model={**report().model, "asked": evil, "served": {evil: 1}},
        ),
        [],
        results,
    )
    for words in (["table", "20260104"], ["show", "20260104"], ["list", "runs"]):
        out = evalkit(*words).out
        assert "\\u001b[31m b\\u202ec" in out
        assert not {"\x1b", "\u202e"} & set(out)
    assert len(evalkit("table", "20260104").out.splitlines()) == 3


def test_list_of_runs_goes_on_past_a_damaged_one(evalkit: Commands, results: Path) -> None:
    (results / "runs/sentiment/20260101-000000-aaaaaa/report.json").write_text("{")
    ran = evalkit("list", "runs")
    assert ran.code == 0
    assert "20260102-000000-bbbbbb" in ran.out
    assert "damaged" in ran.err
    assert [one["run"] for one in json.loads(evalkit("list", "runs", "--json").out)] == [
        "20260102-000000-bbbbbb"
    ]


def test_list_without_runs_is_empty_not_wrong(evalkit: Commands) -> None:
    ran = evalkit("list", "runs")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "0 runs under results/runs")
    assert evalkit("list", "runs", "--json").out == "[]\n"


def test_list_for_programs_names_describes_and_places_each_choice(evalkit: Commands) -> None:
    everything = json.loads(evalkit("list", "--json").out)
    assert set(everything) >= {"tasks", "datasets", "models", "metrics", "prompts", "experiments"}
    assert everything["tasks"] == json.loads(evalkit("list", "tasks", "--json").out)
    (qa,) = (one for one in everything["tasks"] if one["name"] == "qa")
    assert qa == {**qa, "yours": False, "file": "configs/task/qa.yaml"}
    assert "questions" in qa["description"]


def test_list_of_an_unknown_kind_is_a_usage_error(evalkit: Commands) -> None:
    ran = evalkit("list", "task")
    assert ran.code == 2
    assert "invalid choice" in ran.err


def test_sample_is_shown_whole_in_every_trial(evalkit: Commands, server: FakeOpenAI) -> None:
    rows = [{"id": "first", "question": "Where?", "answer": ["Rome", "Roma"], "note": "n"}]
    path = write_lines(evalkit.folder / "rows.jsonl", *rows)
    words = asking(
        server, "task=qa", "dataset=jsonl", f"dataset.path={path}", "dataset.input={question: question}",
        "dataset.target=answer", "trials=2", "resamples=10", "prompt.template='Q: {{ question }}'",
        "prompt.answer_schema=null", "task.postprocess=[strip]",
    )  # fmt: skip
    assert evalkit(*words).code == 0
    out = evalkit("show", "latest", "first").out
    for text in [
        "first, trial 0", "first, trial 1", "--- system", "Q: Where?", '["Rome", "Roma"]',
        "exact_match 0.0000", "finish_reason stop", "target 'Rome' or 'Roma'",
    ]:  # fmt: skip
        assert text in out
    first, second = json.loads(evalkit("show", "latest:qa", "first", "--json").out)
    assert (first["trial"], second["trial"]) == (0, 1)
    assert first["messages"][-1] == {"role": "user", "content": "Q: Where?"}
    assert 'did you mean "first"' in evalkit("show", "latest", "firts").error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "nope"], 'no run "nope"'),
        (["table", "nope"], 'no run "nope"'),
        (["table", "latest:nope"], "there are runs of sentiment, translation"),
        (["show", "2026"], "is the beginning of 2 runs"),
        (["show", "20260101", "x"], 'has no sample "x"'),
        (["show", "latest", "--results-dir", "elsewhere"], "no run under elsewhere"),
        (["table", "broken.json"], "damaged"),
    ],
)
def test_what_is_not_there_is_one_line(words: list[str], says: str, evalkit: Commands, results: Path) -> None:
    Path("broken.json").write_text("{}")
    assert says in evalkit(*words).error
