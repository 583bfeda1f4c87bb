"""A run repeated from the cache writes the same bytes, apart from times and cache flags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI, Fault, FaultPlan, Reply

TIMES = {"run_id", "created", "timing", "cost", "counts", "provenance"}


def without_flags(lines: list[dict[str, Any]]) -> str:
    return json.dumps([{**line, "cached": None} for line in lines])


@pytest.mark.parametrize("trials", [1, 3])
def test_samples_are_the_same_bytes_in_the_datasets_order(
    trials: int, evalkit: Commands, server: FakeOpenAI
) -> None:
    server.settings.latency = lambda index: 0.02 * (index % 3)  # answers come in another order
    words = asking(
        server, "dataset.limit=7", f"trials={trials}", "model.params.temperature=1", "resamples=50"
    )
    assert evalkit(*words).code == 0
    first, first_report = evalkit.samples(), evalkit.report()
    assert evalkit(*words, "executor.concurrency=2").code == 0
    again, report = evalkit.samples(), evalkit.report()
    assert server.count == 7 * trials
    assert without_flags(again) == without_flags(first)
    assert [line["cached"] for line in again] == [True] * 7 * trials
    ids = list(dict.fromkeys(line["id"] for line in first))
    assert [(line["id"], line["trial"]) for line in first] == [(one, n) for one in ids for n in range(trials)]
    same = report.keys() - TIMES - {"config"}
    assert {key: report[key] for key in same} == {key: first_report[key] for key in same}
    assert report["counts"]["cached"] == 7 * trials
    report["config"]["executor"]["concurrency"] = 16
    assert report["config"] == first_report["config"]


def test_lone_surrogate_in_an_answer_reaches_the_report(evalkit: Commands) -> None:
    text = "half \ud83d"
    body = {
        "id": "x", "object": "chat.completion", "created": 1, "model": "m \ud83d",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}],
    }  # fmt: skip
    with FakeOpenAI(answer=Reply(raw_body=json.dumps(body).encode("ascii"))) as server:
        ran = evalkit(*asking(server, "task=qa", "dataset.limit=1", "resamples=10"))
        assert ran.code == 0, ran.err
    (line,) = evalkit.samples()
    assert line["output"] == text
    shown = evalkit("show", "latest", line["id"])
    assert "half \\ud83d" in shown.out
    assert json.loads(evalkit("show", "latest", line["id"], "--json").out)[0]["output"] == text
    assert "m \\ud83d" in evalkit("show", "latest").out
    assert "m \\\\ud83d" in (evalkit.last_run() / "report.md").read_text("utf-8")


def test_lone_surrogate_in_the_data_is_refused_with_its_place(evalkit: Commands, server: FakeOpenAI) -> None:
    path = write_lines(evalkit.folder / "rows.jsonl", {"text": "half \ud83d", "label": "positive"})
    words = asking(server, "dataset=jsonl", f"dataset.path={path}", "dataset.target=label")
    assert 'line 1, column "text"' in evalkit(*words).error


def test_failed_and_unparsed_samples_keep_their_place(evalkit: Commands) -> None:
    rows = [{"id": str(n), "text": f"text {n}", "label": "positive"} for n in range(4)]
    path = write_lines(evalkit.folder / "rows.jsonl", *rows)

    def answer(body: Any) -> str:
        return "gibberish" if "text 1" in body["messages"][-1]["content"] else '{"sentiment": "positive"}'

    faults = FaultPlan.matching("text 2", Fault.status(400), always=True)
    with FakeOpenAI(answer, faults=faults) as server:
        words = ("dataset=jsonl", f"dataset.path={path}", "dataset.target=label", "resamples=10")
        ran = evalkit(*asking(server, *words))
    assert ran.code == 5
    assert "more than max_failed=0.01 of the requests failed: exit code 5" in ran.err
    lines = evalkit.samples()
    assert [line["id"] for line in lines] == ["0", "1", "2", "3"]
    assert "label" in lines[1]["unparsed"]
    assert lines[2]["failure"]["kind"] == "bad_request"
    assert "statistics" not in lines[2]
    report = evalkit.report()
    assert report["status"] == "complete_with_failures"
    accuracy = report["metrics"]["accuracy"]
    assert (accuracy["n"], accuracy["n_failed"], accuracy["n_unparsed"]) == (3, 1, 1)
    assert accuracy["value"] == pytest.approx(2 / 3)
    assert [row.split()[-1] for row in ran.out.splitlines()[:2]] == ["run", evalkit.last_run().name]


def test_run_with_no_answer_at_all_is_reported_and_fails(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.faults = FaultPlan.always(Fault.status(400))
    ran = evalkit(*asking(server, "dataset.limit=2", "cache=off"))
    assert ran.code == 5
    assert "(nothing scored)" in ran.out
    assert "asks only for them again" not in ran.err  # nothing was kept
    assert evalkit("show", "latest").code == 0
    assert evalkit("table", "latest", "--wide").code == 0
    assert "failed" in evalkit("show", "latest", evalkit.samples()[0]["id"]).out
