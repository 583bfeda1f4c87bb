"""`evalkit report RUN --format html`: where the page goes, what stands beside the run, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from commands import Commands, asking, write_lines
from pages import carried

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

ROWS = [{"id": f"q{n}", "question": f"What is {n} and {n}?", "answer": str(2 * n)} for n in range(1, 41)]


def recorded(evalkit: Commands, name: str, wrong: range) -> Path:
    """Score recorded outputs of which some are wrong; return the run's folder."""
    data = write_lines(evalkit.folder / "data.jsonl", *ROWS)
    outputs = [
        {"id": row["id"], "output": "0" if n in wrong else row["answer"]} for n, row in enumerate(ROWS)
    ]
    words = (
        *("run", "task=qa", "dataset=jsonl", f"dataset.path={data}", "dataset.input.question=question"),
        *("dataset.target=answer", "metrics=[exact_match]", "model=recorded", f"model.name={name}"),
        f"model.path={write_lines(evalkit.folder / f'{name}.jsonl', *outputs)}",
    )
    ran = evalkit(*words, "model.output=output")
    assert ran.code == 0, ran.err
    return evalkit.last_run()


def test_page_lands_in_the_runs_folder_and_its_path_is_printed(evalkit: Commands) -> None:
    folder = recorded(evalkit, "one", range(5)).relative_to(evalkit.folder)
    ran = evalkit("report", "latest", "--format", "html")
    assert (ran.code, ran.out) == (0, f"{folder / 'report.html'}\n")
    page = (folder / "report.html").read_text("utf-8")
    assert "87.5" in page
    assert [row[2] for row in carried(page, "index")] == ["wrong"] * 5 + ["right"] * 35


def test_output_file_is_where_the_user_says(evalkit: Commands) -> None:
    recorded(evalkit, "one", range(5))
    assert evalkit("report", "latest", "-o", "sub/page.html").out == "sub/page.html\n"
    assert Path("sub/page.html").is_file()


def test_verdict_and_answers_of_the_baseline_stand_beside_the_runs(evalkit: Commands) -> None:
    base = recorded(evalkit, "one", range(2))
    recorded(evalkit, "two", range(1, 20))
    ran = evalkit("report", "latest", "--against", base.name, "-o", "page.html")
    assert ran.code == 0, ran.err
    page = Path("page.html").read_text("utf-8")
    assert "REGRESSED" in page
    assert "exact_match fell by 42.5 points, from 95.0 to 52.5" in page
    changes = [row[3] for row in carried(page, "index")]
    assert changes == ["fixed", "same", *["broken"] * 18, *["same"] * 20]
    body = carried(page, "bodies")[2]
    assert (body["output"], body["before"]["output"]) == ("0", "6")


def test_samples_are_named_in_the_datasets_order_whatever_they_are_compared_with(evalkit: Commands) -> None:
    """A stored baseline is sorted by id: q10 before q2."""
    base = recorded(evalkit, "one", range(2))
    assert evalkit("accept", "latest", "--reason", "first", "--allow-dirty").code == 0
    recorded(evalkit, "two", range(1, 20))
    for first in (base.name, "main"):
        (case,) = json.loads(evalkit("compare", first, "latest", "--json").out)["cases"]
        assert case["fixed"] == ["q1"], first
        assert case["broken"] == [f"q{n}" for n in range(3, 21)], first


def test_accepted_baseline_keeps_no_texts_and_they_come_from_the_cache(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-0123456789abcdef")
    data = write_lines(evalkit.folder / "data.jsonl", *ROWS[:6])
    words = asking(
        server,
        *("task=qa", "dataset=jsonl", f"dataset.path={data}", "dataset.input.question=question"),
        *("dataset.target=answer", "metrics=[exact_match]", "cache.path=answers.sqlite"),
    )
    assert evalkit(*words, "prompt.template='Old: {{ question }}'").code == 0
    old = [line["output"] for line in evalkit.samples()]
    assert evalkit("accept", "latest", "--reason", "first", "--allow-dirty").code == 0
    assert evalkit(*words, "prompt.template='New: {{ question }}'").code == 0
    ran = evalkit("report", "latest", "--against", "main", "-o", "page.html")
    assert ran.code == 0, ran.err
    bodies = carried(Path("page.html").read_text("utf-8"), "bodies")
    assert [one["before"]["output"] for one in bodies] == old
    assert [one["request"][-1][1] for one in bodies] == [f"New: {row['question']}" for row in ROWS[:6]]


def test_samples_in_another_order_still_meet_their_own_baseline(evalkit: Commands) -> None:
    base = recorded(evalkit, "one", range(0))
    lines = (base / "samples.jsonl").read_text("utf-8").splitlines(keepends=True)
    (base / "samples.jsonl").write_text("".join(reversed(lines)), "utf-8")
    recorded(evalkit, "two", range(0))
    assert evalkit("report", "latest", "--against", base.name, "-o", "page.html").code == 0
    page = Path("page.html").read_text("utf-8")
    assert {row[3] for row in carried(page, "index")} == {"same"}


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("report", "nothing"), 'no run "nothing"'),
        (("report", "latest", "--format", "markdown", "--against", "x"), "--against goes with --format"),
        (("report", "latest", "gate.margin=0.1"), "need --against"),
        (("report", "latest", "-o", "data.jsonl/x.html"), "cannot be written"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], error: str, evalkit: Commands) -> None:
    recorded(evalkit, "one", range(1))
    assert error in evalkit(*words).error


def test_baseline_that_is_not_there_has_its_exit_code(evalkit: Commands) -> None:
    recorded(evalkit, "one", range(1))
    ran = evalkit("report", "latest", "--against", "nowhere")
    assert ran.code == 3
    assert 'no baseline "nowhere"' in ran.err


def test_damaged_run_leaves_the_page_as_it_was(evalkit: Commands) -> None:
    folder = recorded(evalkit, "one", range(1))
    evalkit("report", "latest")
    before = (folder / "report.html").read_bytes()
    (folder / "samples.jsonl").write_text('{"id": "q1"\n', "utf-8")
    assert "line 1: damaged" in evalkit("report", "latest").error
    assert (folder / "report.html").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".")) == []
