"""`evalkit run --from-report RUN`: a report's settings run again; and what a report says of its making."""

from __future__ import annotations

import json
import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write, write_lines

from evalkit.report.provenance import provenance

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

ROWS = [{"id": f"r{n}", "text": f"text {n}", "label": ("positive", "negative")[n % 2]} for n in range(6)]
DATA = ("dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label")
WORDS = (*DATA, "resamples=50", "model.params.temperature=0.3", "metrics=[accuracy,rouge]", "seed=7")


@pytest.fixture
def project(evalkit: Commands, server: FakeOpenAI) -> Commands:
    write_lines(evalkit.folder / "rows.jsonl", *ROWS)
    assert evalkit(*asking(server, *WORDS)).code == 0
    return evalkit


def compared(report: dict[str, Any]) -> dict[str, Any]:
    passing = ("run_id", "created", "timing", "counts", "provenance", "cost")
    return {name: value for name, value in report.items() if name not in passing}


@pytest.mark.parametrize("form", [("--from-report", "latest"), ("--from-report=latest",)], ids=["two", "one"])
def test_the_same_again(project: Commands, server: FakeOpenAI, form: tuple[str, ...]) -> None:
    first, asked = project.report(), server.count
    lines = [{**line, "cached": True} for line in project.samples()]
    ran = project("run", *form)
    assert ran.code == 0, ran.err
    assert "looked for from this folder: dataset.path=rows.jsonl, cache.path=.evalkit/cache.sqlite" in ran.err
    assert f"against run {first['run_id']}: data, prompt, model, metrics and code are the same" in ran.err
    again = project.report()
    assert again["run_id"] != first["run_id"]
    assert compared(again) == compared(first)
    assert project.samples() == lines
    assert server.count == asked  # all from the cache


def test_overrides_change_single_settings(project: Commands, server: FakeOpenAI) -> None:
    words = ("model.params.temperature=0.9", "metrics=[bleu]", "metrics.bleu.tokenize=char", "trials=2")
    assert project("run", "--from-report", "latest", *words).code == 0
    report = project.report()
    assert report["model"]["params"] == {"temperature": 0.9}
    assert "tok:char" in report["metrics"]["bleu"]["signature"]
    assert (report["config"]["seed"], report["counts"]["requests"]) == (7, 12)
    assert project("run", "--from-report", "latest", "prompt=sentiment_text", "cache=refresh").code == 0
    assert project.report()["prompt"]["name"] == "sentiment_text"
    assert project.report()["config"]["cache"] == {"mode": "refresh", "path": ".evalkit/cache.sqlite"}


def test_another_model_is_a_whole_choice(project: Commands) -> None:
    recorded = ("model=recorded", "model.path=rows.jsonl", "model.output=label")
    ran = project("run", "--from-report", "latest", *recorded)
    assert ran.code == 0, ran.err
    assert "the prompt differs: " in ran.err
    assert project.report()["metrics"]["accuracy"]["value"] == 1.0


def test_the_cache_of_the_report_is_replayed(project: Commands, server: FakeOpenAI) -> None:
    (project.folder / ".evalkit" / "cache.sqlite").rename(project.folder / "mine.sqlite")
    assert project("run", "--from-report", "latest", "cache.path=mine.sqlite").code == 0
    asked = server.count
    assert project("run", "--from-report", "latest", "cache=replay").code == 0
    assert project.report()["config"]["cache"] == {"mode": "replay", "path": "mine.sqlite"}
    assert server.count == asked


def test_changed_data_is_said(project: Commands) -> None:
    write_lines(project.folder / "rows.jsonl", *ROWS[:5])
    ran = project("run", "--from-report", "latest")
    assert "the data's fingerprint differs: " in ran.err
    assert "the number of samples differs: 6, now 5" in ran.err


def test_the_prompt_is_the_reports_own_whatever_its_file_holds_now(
    project: Commands, server: FakeOpenAI
) -> None:
    file = write(project.folder / "mine.txt", "First: {{ text }}")
    assert project(*asking(server, *WORDS, "prompt.file=mine.txt")).code == 0
    sha = project.report()["prompt"]["sha256"]
    file.write_text("Second: {{ text }}")
    assert project("run", "--from-report", "latest").code == 0
    assert project.report()["prompt"]["sha256"] == sha
    assert project("run", "--from-report", "latest", "prompt.file=mine.txt").code == 0
    assert project.report()["prompt"]["sha256"] != sha


REFUSED = [
    (("--from-report",), "needs a report: a path, a run id, latest"),
    (("--from-report", "latest", "-m"), "and -m does not go with it"),
    (("--from-report", "nobody"), 'no run "nobody"'),
    (("--from-report", "latest", "task=qa"), "would make another task of the report's"),
    (("--from-report", "latest", "seeds=1"), 'no such setting (did you mean "seed"?)'),
    (("--from-report", "latest", "seed=1,2"), "runs one run again, with one value each"),
    (("--from-report", "latest", "model.nmae=x"), "nmae"),
    (("--from-repor", "latest"), 'did you mean "--from-report"?'),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_mistakes_are_one_line(project: Commands, words: tuple[str, ...], said: str) -> None:
    assert said in project("run", *words).error


def test_a_report_says_how_it_was_made(project: Commands, server: FakeOpenAI) -> None:
    words = asking(server, *WORDS)
    address = server.base_url.replace("http://", "http://user:secret@") + "?key=hidden"
    words = [f'model.base_url="{address}"' if one.startswith("model.base_url=") else one for one in words]
    ran = project(*words)
    assert ran.code == 0, ran.err
    made = project.report()["provenance"]
    assert made["command"][:2] == ["evalkit", "run"]
    assert f'model.base_url="{server.base_url}' in made["command"]
    assert "secret" not in json.dumps(made)
    assert "hidden" not in json.dumps(made)
    assert made["machine"]["architecture"] == platform.machine()
    assert set(made["machine"]) == {"system", "release", "architecture", "cpus"}
    assert platform.node() not in json.dumps(made).replace(platform.release(), "")
    assert {"python", "evalkit", "sacrebleu", "rouge-score", "numpy", "nltk"} <= set(made["versions"])


def test_commit_and_its_state_are_known(evalkit: Commands) -> None:
    assert provenance()["git"] is None
    file = write(evalkit.folder / "a.txt", "1")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"),
    ):
        subprocess.run(["git", *words], check=True)
    git = provenance()["git"]
    assert (len(git["sha"]), git["dirty"]) == (40, False)
    file.write_text("2")
    assert provenance()["git"]["dirty"]


def test_the_home_folder_is_not_told() -> None:
    word = f"dataset.path={Path.home()}/rows.jsonl"
    assert provenance([word])["command"] == ["dataset.path=~/rows.jsonl"]
