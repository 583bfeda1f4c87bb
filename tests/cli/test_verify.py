"""`evalkit verify`: a run that nobody touched is the same; whatever is changed in one is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan

ROWS = [
    {
        "id": f"r{n}",
        "text": f"text {n}",
        "label": ("positive", "negative")[n % 2],
        "lang": ("de", "fr")[n % 3 % 2],
    }
    for n in range(12)
]
DATA = ("dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label")
PRICES = ("model.prices.input=2.5", "model.prices.output=10")
EVERYTHING = (
    *DATA, *PRICES, "resamples=50", "trials=2", "slices=[lang]", "fewshot.k=2", "fewshot.path=pool.jsonl",
    "metrics=[accuracy,f1,rouge,bleu]", "max_failed=0.5",
)  # fmt: skip
NAMES = [
    *("samples", "dataset", "prompts", "request keys", "predictions", "statistics", "scores", "breakdowns"),
    *("counts", "usage and cost", "latencies"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with one run that has a bit of everything."""
    import os

    from evalkit.cli.main import main

    folder = tmp_path_factory.mktemp("project")
    write_lines(folder / "rows.jsonl", *ROWS)
    write_lines(
        folder / "pool.jsonl", *({**row, "id": f"p{row['id']}", "text": f"pool {row['id']}"} for row in ROWS)
    )
    faults = FaultPlan.matching("text 3", Fault.named("content_filter"), always=True)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with FakeOpenAI(answer='{"sentiment": "positive"}', faults=faults) as server:
            assert main(asking(server, *EVERYTHING)) == 0
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def project(made: Path, evalkit: Commands) -> Commands:
    shutil.copytree(made, evalkit.folder, dirs_exist_ok=True)
    return evalkit


def checks(project: Commands, *words: str) -> dict[str, dict[str, Any]]:
    ran = project("verify", "latest", "--json", *words)
    found = json.loads(ran.out)
    different = [one for one in found["checks"] if one["status"] == "different"]
    assert (ran.code, found["same"]) == ((5, False) if different else (0, True))
    return {one["check"]: one for one in found["checks"]}


def edit_report(project: Commands, change: Callable[[dict[str, Any]], None]) -> None:
    path = project.last_run() / "report.json"
    data = json.loads(path.read_text("utf-8"))
    change(data)
    path.write_text(json.dumps(data), "utf-8")


def edit_line(project: Commands, change: Callable[[dict[str, Any]], None], place: int = 0) -> None:
    path = project.last_run() / "samples.jsonl"
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    change(lines[place])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")


def test_an_untouched_run_is_the_same(project: Commands) -> None:
    found = checks(project)
    assert list(found) == NAMES
    assert {one["status"] for one in found.values()} == {"same"}, found
    out = project("verify").out
    assert out.splitlines()[-1].endswith("nothing differs")


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("model.params.n=2", "trials=4", "model.params.temperature=1"), '{"sentiment": "negative"}'),
        (
            ("fewshot.k=2", "fewshot.path=pool.jsonl", "fewshot.form=inline", "prompt=sentiment_text"),
            "negative",
        ),
        (("dataset.group=lang", "dataset.limit=7", "dataset.shuffle=3"), "no JSON at all"),
        (("metrics=[exact_match,token_f1,chrf,ter,sentence_bleu]", "task.postprocess=[strip]"), "négative"),
    ],
    ids=["choices", "inline examples", "groups, unreadable", "other metrics"],
)
def test_any_untouched_run_is_the_same(project: Commands, words: tuple[str, ...], answer: str) -> None:
    with FakeOpenAI(answer=answer) as server:
        assert project(*asking(server, *DATA, "resamples=50", *words)).code == 0
    found = checks(project)
    assert {one["status"] for one in found.values()} == {"same"}, found


def test_recorded_rescored_and_cached_runs_are_the_same(project: Commands) -> None:
    recorded = ("model=recorded", "model.path=rows.jsonl", "model.output=label", "resamples=50")
    assert project("run", *DATA, *recorded).code == 0
    assert {one["status"] for one in checks(project).values()} == {"same"}
    assert project("score", "latest", "metrics=[rouge]").code == 0
    assert {one["status"] for one in checks(project).values()} == {"same"}


def change_metric(name: str, field: str) -> Callable[[dict[str, Any]], None]:
    def change(report: dict[str, Any]) -> None:
        report["metrics"][name][field] += 0.01

    return change


def put(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        for name in path[:-1]:
            data = data[name]
        data[path[-1]] = value

    return change


REPORT_CHANGES = [
    (change_metric("accuracy", "value"), "scores", "accuracy.value"),
    (change_metric("bleu", "low"), "scores", "bleu.low"),
    (change_metric("rougeL", "high"), "scores", "rougeL.high"),
    (change_metric("accuracy", "n"), "scores", "accuracy.n:"),
    (put("metrics", "accuracy", "n_failed", value=0), "scores", "accuracy.n_failed"),
    (lambda data: data["metrics"].pop("f1_macro"), "scores", "f1_macro: not in the report"),
    (
        lambda data: data["metrics"].update(best=data["metrics"]["bleu"]),
        "scores",
        "best: its samples give no such",
    ),
    (put("seeds", "bootstrap", value=1), "scores", ".low"),
    (put("config", "resamples", value=51), "scores", ".low"),
    (put("families", "bleu", "key", value="other"), "statistics", "bleu: key"),
    (put("families", "rouge", "options", "use_stemmer", value=True), "statistics", "rouge: key"),
    (put("dataset", "fingerprint", value="0" * 64), "dataset", "fingerprint: stored is 000"),
    (put("dataset", "n", value=11), "samples", "the report speaks of 11 samples, samples.jsonl holds 12"),
    (put("prompt", "sha256", value="0" * 64), "prompts", "sha256 of the templates"),
    (
        put("prompt", "source", "system", value="Be nice."),
        "prompts",
        'sample "r0", trial 0: the rendered prompt',
    ),
    (put("prompt", "source", "template", value="{{ nothing }}"), "prompts", "cannot be rendered"),
    (put("model", "identity", value="http://other/v1"), "request keys", "the request has another key"),
    (put("config", "model", "name", value="gpt-4"), "request keys", "the request has another key"),
    (
        put("config", "model", "params", "temperature", value=0.5),
        "request keys",
        "the request has another key",
    ),
    (put("postprocess", value=["strip"]), "predictions", 'sample "r0", trial 0: the output gives'),
    (put("counts", "failed", value=0), "counts", "failed: stored is 0, recomputed 2"),
    (put("counts", "cached", value=3), "counts", "cached: stored is 3, recomputed 0"),
    (put("failures", value={}), "counts", "failures.content_filter: stored is None, recomputed 2"),
    (put("status", value="complete"), "counts", "status: stored is complete"),
    (put("usage", "prompt", value=1), "usage and cost", "usage.prompt: stored is 1"),
    (put("cost", "usd", value=0.0), "usage and cost", "cost.usd: stored is 0.0"),
    (put("cost", "paid_usd", value=0.0), "usage and cost", "cost.paid_usd: stored is 0.0"),
    (put("timing", "latency_p50", value=0.0), "latencies", "latency_p50: stored is 0.0"),
    (put("slices", "lang", "values", value=[]), "breakdowns", "slices.lang.values"),
    (
        put("classes", "f1", "labels", "positive", "f1", value=1.0),
        "breakdowns",
        "classes.f1.labels.positive.f1",
    ),
]


@pytest.mark.parametrize(
    ("change", "check", "said"), REPORT_CHANGES, ids=[said for _, _, said in REPORT_CHANGES]
)
def test_a_changed_report_is_named(
    project: Commands, change: Callable[[dict[str, Any]], None], check: str, said: str
) -> None:
    edit_report(project, change)
    found = checks(project)
    assert found[check]["status"] == "different", found
    assert any(said in one for one in found[check]["differences"]), found[check]


LINE_CHANGES = [
    (put("input", "text", value="another"), "samples", 'sample "r0", trial 0: input or target is not'),
    (put("target", value="negative"), "samples", 'sample "r0", trial 0: input or target is not'),
    (put("hash", value="0" * 64), "samples", 'sample "r0", trial 0: input or target is not'),
    (put("trial", value=1), "samples", 'sample "r0", trial 1: 2 lines'),
    (put("prompt_sha256", value="0" * 64), "prompts", 'sample "r0", trial 0: the rendered prompt'),
    (put("request_key", value="0" * 64), "request keys", 'sample "r0", trial 0: the request has another key'),
    (
        put("output", value='{"sentiment": "negative"}'),
        "predictions",
        'gives "negative", stored is "positive"',
    ),
    (put("prediction", value="negative"), "predictions", 'gives "positive", stored is "negative"'),
    (
        put("statistics", "accuracy", value=[0, 1]),
        "statistics",
        'sample "r0", trial 0: accuracy[0]: stored is 0',
    ),
    (put("statistics", "accuracy", value=[0, 1]), "scores", "accuracy.value"),
    (put("usage", "prompt", value=1), "usage and cost", "usage.prompt"),
    (put("cached", value=True), "counts", "cached: stored is 0, recomputed 1"),
    (put("finish_reason", value="length"), "counts", "cut_off: stored is 0, recomputed 1"),
    (lambda line: line.pop("hash"), "samples", "line 1: damaged"),
    (lambda line: line.pop("output"), "samples", "line 1: damaged"),
]


@pytest.mark.parametrize(
    ("change", "check", "said"), LINE_CHANGES, ids=[f"{c}: {s}" for _, c, s in LINE_CHANGES]
)
def test_a_changed_sample_is_named(
    project: Commands, change: Callable[[dict[str, Any]], None], check: str, said: str
) -> None:
    edit_line(project, change)
    found = checks(project)
    assert found[check]["status"] == "different", found
    assert any(said in one for one in found[check]["differences"]), found[check]


def test_changed_latencies_are_named(project: Commands) -> None:
    for place in range(24):
        edit_line(project, lambda line: line.update(latency=9.0) if "latency" in line else None, place)
    differences = checks(project)["latencies"]["differences"]
    assert [one.partition(":")[0] for one in differences] == ["latency_p50", "latency_p95"]
    assert all(one.endswith("the samples give 9.0") for one in differences)


def test_a_lost_line_is_named(project: Commands) -> None:
    path = project.last_run() / "samples.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[2:]))
    found = checks(project)
    assert "the report speaks of 12 samples, samples.jsonl holds 11" in found["samples"]["differences"]
    assert found["counts"]["status"] == found["scores"]["status"] == "different"
    path.write_bytes(path.read_bytes() + b"{half")
    assert "line 23: damaged" in checks(project)["samples"]["differences"][0]
    path.unlink()
    assert "missing; the report has lost its samples" in checks(project)["samples"]["differences"][0]


def test_changed_data_is_named_with_the_samples_that_differ(project: Commands) -> None:
    write_lines(
        project.folder / "rows.jsonl", *({**row, "text": "new"} if row["id"] == "r5" else row for row in ROWS)
    )
    found = checks(project)["dataset"]
    assert found["status"] == "different"
    assert found["differences"][0].startswith("fingerprint: stored is ")
    assert found["differences"][1:] == ['sample "r5" has another input or target in the data']


def test_what_is_not_at_hand_is_said_and_not_counted_as_checked(project: Commands) -> None:
    (project.folder / "rows.jsonl").unlink()
    ran = project("verify")
    assert ran.code == 0
    assert "nothing differs; not checked: dataset" in ran.out
    assert "dataset not checked: rows.jsonl: no such file" in ran.err
    edit_report(project, put("config", "task", "name", value=[]))
    found = checks(project)
    assert [name for name, one in found.items() if one["status"] == "not checked"] == [
        "dataset",
        "request keys",
    ]


def test_differences_are_shown_ten_at_a_time(project: Commands) -> None:
    edit_report(project, put("prompt", "source", "system", value="Be nice."))
    ran = project("verify")
    assert ran.code == 5
    assert "DIFFERENT: prompts, request keys" in ran.out
    assert "prompts: and 15 more (--json has them all)" in ran.out


def test_a_published_schema_is_printed(evalkit: Commands) -> None:
    assert json.loads(evalkit("verify", "--schema", "samples").out)["$id"] == "urn:evalkit:samples:2"
    assert 'no schema "sample" (did you mean "samples"?)' in evalkit("verify", "--schema", "sample").error
