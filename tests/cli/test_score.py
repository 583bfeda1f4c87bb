"""`evalkit score`, slices and confusions: stored outputs with other metrics, without a model or a key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan

import evalkit as package
from evalkit.errors import ConfigError

LABELS = ("positive", "negative", "neutral")
RECORDED = (
    *("run", "dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label"),
    *("model=recorded", "model.path=rows.jsonl", "resamples=100"),
)


def rows(n: int = 60) -> list[dict[str, Any]]:
    """Each tenth answer is no label, of the others each fourth is the next label; three languages."""
    made = []
    for number in range(n):
        label = LABELS[number % 3]
        good = label if number % 4 else LABELS[(number + 1) % 3]
        made.append(
            {
                "id": f"s{number}",
                "text": f"text {number}",
                "label": label,
                "output": "I cannot say" if number % 10 == 9 else f"It is {good}.",
                "better": f"It is {label}.",
                "lang": ("de", "fr", "zh")[number % 7 % 3],
            }
        )
    return made


@pytest.fixture
def recorded(evalkit: Commands) -> Commands:
    write_lines(evalkit.folder / "rows.jsonl", *rows())
    assert evalkit(*RECORDED, "model.output=output").code == 0
    return evalkit


def files(folder: Path) -> dict[str, Any]:
    return {
        "report": json.loads((folder / "report.json").read_text("utf-8")),
        "samples": (folder / "samples.jsonl").read_bytes(),
    }


def test_without_overrides_nothing_changes_but_the_run_that_says_so(recorded: Commands) -> None:
    first = files(recorded.last_run())
    ran = recorded("score", "latest")
    assert ran.code == 0
    assert f"scored the outputs of run {first['report']['run_id']} again; nothing was sent" in ran.err
    second = files(recorded.last_run())
    assert second["samples"] == first["samples"]
    parent = second["report"]["parent"]
    assert (parent["run_id"], parent["parent"]) == (first["report"]["run_id"], None)
    changed = {name for name in first["report"] if first["report"][name] != second["report"][name]}
    assert changed <= {"run_id", "created", "parent", "provenance"}
    for name in ("metrics", "families", "classes"):
        before, after = (json.dumps(one["report"][name]) for one in (first, second))
        assert before == after


def test_other_metrics_give_what_a_run_with_them_gives(recorded: Commands) -> None:
    parent = recorded.report()
    words = ("metrics=[exact_match,ter,sentence_bleu]", "metrics.ter.no_punct=true")
    assert recorded("score", "latest", *words).code == 0
    scored = recorded.report()
    assert recorded(*RECORDED, "model.output=output", *words).code == 0
    direct = recorded.report()
    assert scored["metrics"] == direct["metrics"]
    assert set(scored["metrics"]) == {"exact_match", "ter", "sentence_bleu"}
    assert "punct:no" in scored["metrics"]["ter"]["signature"]
    assert scored["metrics"]["ter"]["higher_is_better"] is False
    for name in ("model", "usage", "cost", "failures", "timing", "dataset", "prompt"):
        assert scored[name] == parent[name]


def test_an_option_of_the_runs_own_metrics_can_be_changed_and_a_metric_taken_out(recorded: Commands) -> None:
    assert recorded("score", "latest", "metrics.f1.types=[precision_macro,recall_macro]", "seed=3").code == 0
    report = recorded.report()
    assert set(report["metrics"]) == {"accuracy", "precision_macro", "recall_macro"}
    assert report["seeds"] == {"seed": 3, "bootstrap": 3}
    assert recorded("score", "latest", "~metrics.f1").code == 0
    assert set(recorded.report()["metrics"]) == {"accuracy"}
    assert "the run has no metric f2; it has accuracy" in recorded("score", "latest", "~metrics.f2").error


def test_other_post_processing_reads_the_outputs_anew(recorded: Commands) -> None:
    assert recorded.report()["counts"]["unparsed"] == 6
    steps = "task.postprocess=[{regex: {pattern: 'It is (positive|negative)'}}]"
    assert recorded("score", "latest", steps).code == 0
    report = recorded.report()
    lines = recorded.samples()
    assert report["counts"]["unparsed"] == sum("unparsed" in one for one in lines) > 6
    assert {one["prediction"] for one in lines} == {"positive", "negative", None}
    assert report["postprocess"] == [{"regex": {"pattern": "It is (positive|negative)"}}]
    assert recorded("score", "latest", "task.postprocess=[strip]").code == 0
    assert recorded.report()["counts"]["unparsed"] == 0
    assert not any("unparsed" in one for one in recorded.samples())


REFUSED = [
    ("model=gpt-4o", "would change what was asked or by whom"),
    ("model.params.temperature=1", "would change what was asked"),
    ("dataset.limit=3", "would change what was asked"),
    ("prompt.system=x", "would change what was asked"),
    ("trials=2", "would change what was asked"),
    ("task=qa", "would change what was asked"),
    ("fewshot.k=1", "would change what was asked"),
    ("metric=[bleu]", 'no such setting (did you mean "metrics"?)'),
    ("metrics=[blue]", "bleu"),
    ("metrics.bleu.tokenize=zh", "metrics.bleu: no metric of that name was chosen"),
    ("metrics.f1.typs=[macro]", 'did you mean "types"'),
    ("slices=[lagn]", 'did you mean "lang"'),
    ("confidence=2", "must lie between 0 and 1"),
    ("seed=1,2", "takes one value"),
    ("nonsense", "is no setting"),
]


def test_what_scoring_cannot_change_is_refused_in_one_line(recorded: Commands) -> None:
    before = recorded.last_run()
    for word, says in REFUSED:
        assert says in recorded("score", "latest", word).error
    assert recorded.last_run() == before


def test_an_api_run_is_scored_without_key_and_keeps_its_failures_and_costs(
    evalkit: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-score-0123456789abcdef")
    path = write_lines(evalkit.folder / "rows.jsonl", *rows(20))
    words = (
        *("dataset=jsonl", f"dataset.path={path}", "dataset.input.text=text", "dataset.target=label"),
        *("prompt=sentiment_text", "resamples=50", "max_failed=1", "cache=off", "executor.concurrency=1"),
        *("model.prices.input=1", "model.prices.output=2", "trials=2"),
    )
    with FakeOpenAI(
        "positive", faults=FaultPlan.matching("text 7", Fault.content_filter(), always=True)
    ) as server:
        assert evalkit(*asking(server, *words)).code == 0
        asked = server.count
    monkeypatch.delenv("OPENAI_API_KEY")
    parent = evalkit.report()
    assert evalkit("score", "latest", "metrics=[exact_match]").code == 0
    report = evalkit.report()
    assert server.count == asked
    for name in ("status", "failures", "usage", "model", "timing"):
        assert report[name] == parent[name]
    assert report["cost"]["usd"] == parent["cost"]["usd"] > 0
    assert report["cost"]["paid_usd"] == 0
    assert report["metrics"]["exact_match"]["value"] == pytest.approx(parent["metrics"]["accuracy"]["value"])
    assert next(one["latency"] for one in evalkit.samples()) > 0


def test_a_scored_run_is_compared_accepted_and_gated_like_any_other(recorded: Commands) -> None:
    assert recorded("score", "latest", "metrics=[sentence_ter,ter]").code == 0
    assert recorded("accept", "latest", "--reason", "edits", "--allow-dirty").code == 0
    assert recorded(*RECORDED, "model.output=better").code == 0
    assert recorded("score", "latest", "metrics=[sentence_ter,ter]").code == 0
    better = recorded.report()
    ran = recorded("gate")
    assert (ran.code, "IMPROVED" in ran.out) == (0, True)
    base = recorded("accept", "latest", "--reason", "better", "--allow-dirty")
    assert base.code == 0
    assert recorded(*RECORDED, "model.output=output", "metrics=[sentence_ter,ter]").code == 0
    ran = recorded("gate", "--json")
    assert ran.code == 1
    (case,) = json.loads(ran.out)["comparison"]["cases"]
    assert {one["metric"]: one["verdict"] for one in case["metrics"]} == {
        "sentence_ter": "REGRESSED",
        "ter": "REGRESSED",
    }
    assert all(one["effect"]["difference"] > 0 for one in case["metrics"])
    assert better["metrics"]["ter"]["value"] == 0.0
    assert len(case["broken"]) == sum(row["output"] != row["better"] for row in rows())
    assert not case["fixed"]


def test_diff_shows_edit_rates_as_they_are_largest_loss_first(recorded: Commands) -> None:
    assert recorded(*RECORDED, "model.output=better", "metrics=[sentence_ter]").code == 0
    good = recorded.last_run().name
    assert recorded(*RECORDED, "model.output=output", "metrics=[sentence_ter]").code == 0
    out = recorded("diff", good, "latest", "--limit", "1").out
    assert "sentence_ter 0.00 to 1.00" in out


def test_a_scored_run_can_be_scored_again_and_elsewhere(recorded: Commands) -> None:
    first = recorded.report()["run_id"]
    assert recorded("score", "latest", "metrics=[exact_match]").code == 0
    second = recorded.report()["run_id"]
    assert recorded("score", "latest", "metrics=[accuracy]", "results_dir=elsewhere").code == 0
    third = recorded.report("elsewhere")
    assert third["parent"]["run_id"] == second
    assert third["parent"]["parent"]["run_id"] == first
    assert (
        f"scored again  the outputs of run {second}"
        in recorded("show", "latest", "--results-dir", "elsewhere").out
    )
    text = (recorded.last_run("elsewhere") / "report.md").read_text("utf-8")
    assert f"- scored again: outputs of run {second}" in text


def test_texts_changed_after_the_run_are_noticed(recorded: Commands) -> None:
    path = recorded.last_run() / "samples.jsonl"
    path.write_text(path.read_text("utf-8").replace("text 7", "text seven"), "utf-8")
    assert (
        'line 8: input or target of sample "s7" was changed after the run'
        in recorded("score", "latest").error
    )
    path.write_text('{"id": "s0"}\n', "utf-8")
    assert "line 1: damaged" in recorded("score", "latest").error


def test_python_scores_again_too(recorded: Commands) -> None:
    report = package.score("latest", "metrics=[exact_match]", "slices=[lang]")
    assert set(report.metrics) == {"exact_match"}
    assert report.parent is not None
    again = package.score(report, "metrics=[accuracy]")
    assert again.slices.keys() == {"lang"}
    with pytest.raises(ConfigError, match="would change what was asked"):
        package.score(report, "prompt.system=x")


def test_slices_of_a_run_are_the_scores_of_runs_on_its_parts(evalkit: Commands) -> None:
    path = write_lines(evalkit.folder / "rows.jsonl", *rows())
    assert evalkit(*RECORDED, "model.output=output", "slices=[lang]").code == 0
    stored = evalkit.report()["slices"]["lang"]
    assert sum(one["n"] for one in stored["values"]) == 60
    text = (evalkit.last_run() / "report.md").read_text("utf-8")
    assert "## By lang" in text
    for one in stored["values"]:
        write_lines(Path(path), *(row for row in rows() if row["lang"] == one["value"]))
        assert (
            evalkit(*RECORDED, "model.output=output", "metrics.f1.labels=[negative,neutral,positive]").code
            == 0
        )
        alone = evalkit.report()["metrics"]
        for name, sliced in one["metrics"].items():
            assert {key: alone[name][key] for key in sliced} == sliced


def test_a_run_is_sliced_later_as_it_would_have_been_before(recorded: Commands) -> None:
    late = json.loads(recorded("show", "latest", "--by", "lang", "--json").out)["slices"]
    assert recorded(*RECORDED, "model.output=output", "slices=[lang]").code == 0
    assert recorded.report()["slices"] == late
    out = recorded("show", "latest").out
    assert ["lang", "metric", "score"] in [line.split()[:3] for line in out.splitlines()]
    assert recorded("show", "latest", "--by", "lang").out.splitlines()[0].split() == [
        *("lang", "metric", "score", "interval", "n", "failed", "unparsed")
    ]
    table = recorded("table", "latest", "--by", "lang").out.splitlines()
    assert table[0].split() == [
        *("task", "model", "lang", "metric", "score", "interval", "n", "failed", "unparsed", "run")
    ]
    assert json.loads(recorded("table", "latest", "--by", "lang", "--json").out)[0]["slices"] == late


def test_an_unknown_column_is_found_before_anything_is_sent(evalkit: Commands, server: FakeOpenAI) -> None:
    path = write_lines(evalkit.folder / "rows.jsonl", *rows(3))
    words = ("dataset=jsonl", f"dataset.path={path}", "dataset.input.text=text", "dataset.target=label")
    ran = evalkit(*asking(server, *words, "slices=[lagn]"))
    assert 'slices: no sample has a column "lagn" (did you mean "lang"?)' in ran.error
    assert server.count == 0
    assert evalkit(*RECORDED, "model.output=output").code == 0
    assert '--by: no sample has a column "lagn"' in evalkit("show", "latest", "--by", "lagn").error


def test_a_column_of_ids_says_how_much_it_leaves_out(recorded: Commands) -> None:
    out = recorded("show", "latest", "--by", "text").out
    assert "the most frequent values; 40 others (40 samples) left out" in out


def test_confusions_are_shown_stored_and_found_in_older_reports(recorded: Commands) -> None:
    out = recorded("show", "latest", "--confusion").out
    assert out.splitlines()[0].split() == ["label", "precision", "recall", "F1", "support"]
    assert "(unparsed)" in out
    stored = recorded.report()["classes"]
    assert json.loads(recorded("show", "latest", "--confusion", "--json").out)["classes"] == stored
    negative = stored["f1"]["labels"]["negative"]
    assert negative["f1"] == recorded.report()["metrics"]["f1[negative]"]["value"]
    path = recorded.last_run() / "report.json"
    old = json.loads(path.read_text("utf-8"))
    for name in ("slices", "classes", "parent"):
        del old[name]
    path.write_text(json.dumps(old | {"schema_version": 1}), "utf-8")
    assert json.loads(recorded("show", "latest", "--confusion", "--json").out)["classes"] == stored
    assert recorded("score", "latest", "metrics=[accuracy]").code == 0
    assert recorded.report()["schema_version"] == 2
    assert "has no metric of labels" in recorded("show", "latest", "--confusion").error
