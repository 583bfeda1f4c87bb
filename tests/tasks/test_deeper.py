"""Questions without an answer, and whole documents, from the command line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines
from sacrebleu.metrics.bleu import BLEU

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

QUESTIONS = [
    {"id": "a", "question": "Who wrote it?", "context": "Ann wrote it.", "answers": {"text": ["Ann"]}},
    {"id": "b", "question": "When?", "context": "Ann wrote it.", "answers": {"text": []}},
    {
        "id": "c",
        "question": "Who read it?",
        "context": "Bo Li read it.",
        "answers": {"text": ["Bo Li", "Bo"]},
    },
    {"id": "d", "question": "Where?", "context": "Bo Li read it.", "answers": {"text": []}},
]
ANSWERS = {"Who wrote it?": "Ann", "When?": "Unanswerable", "Who read it?": "Bo Wu", "Where?": "Paris"}


def test_questions_without_an_answer_are_asked_scored_and_divided(
    evalkit: Commands, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exact: Ann and no answer right, 2 of 4; F1 of 'Bo Wu' against 'Bo' 2/3: (1 + 1 + 2/3 + 0) / 4."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted-77c0")
    path = write_lines(evalkit.folder / "data.jsonl", *QUESTIONS)

    def answer(body: Mapping[str, Any]) -> str:
        asked = str(body["messages"][-1]["content"]).rpartition("Question: ")[2]
        return json.dumps({"answer": ANSWERS[asked]})

    server.settings.answer = answer
    ran = evalkit(
        *asking(server, "task=qa", "dataset=jsonl", f"dataset.path={path}", "dataset.id=id"),
        *("dataset.input={question: question, context: context}", "dataset.target=answers.text"),
        *("dataset.unanswerable=true", "prompt.variables.no_answer=unanswerable", "resamples=10"),
        *("metrics.exact_match.no_answer=unanswerable", "metrics.exact_match.normalize=squad"),
        *("metrics.token_f1.no_answer=unanswerable", "slices=[answerable]"),
    )
    assert ran.code == 0, ran.err
    report = evalkit.report()
    values = {name: one["value"] for name, one in report["metrics"].items()}
    assert values == pytest.approx({"exact_match": 0.5, "token_f1": (2 + 2 / 3) / 4})
    parts = {one["value"]: one["metrics"] for one in report["slices"]["answerable"]["values"]}
    assert {name: one["token_f1"]["value"] for name, one in parts.items()} == pytest.approx(
        {"true": (1 + 2 / 3) / 2, "false": 0.5}
    )
    system = str(server.requests[0].body["messages"][0]["content"])
    assert system.endswith("If the text does not tell the answer, answer: unanswerable")
    assert evalkit("verify", "latest").code == 0


def test_documents_are_translated_segment_by_segment_and_scored_whole(evalkit: Commands) -> None:
    rows = [
        {"id": f"{doc}{place}", "source": "?", "doc": doc, "target": target, "out": out}
        for doc, pairs in {
            "x": [("The cat sat. On the", "The cat sat. On"), ("mat it slept.", "the mat it slept.")],
            "y": [("Rain fell on", "Snow fell"), ("the town all day.", "on the town all night.")],
            "z": [("Nothing else happened", "Nothing else"), ("in the year.", "happened in the year.")],
        }.items()
        for place, (target, out) in enumerate(pairs)
    ]
    path = write_lines(evalkit.folder / "data.jsonl", *rows)
    words = [
        *("run", "task=translation", "dataset=jsonl", f"dataset.path={path}", "dataset.input.source=source"),
        *("dataset.target=target", "dataset.group=doc", "model=recorded", f"model.path={path}"),
        *("model.output=out", "metrics=[bleu]", "metrics.bleu.level=document", "resamples=50"),
    ]
    ran = evalkit(*words)
    assert ran.code == 0, ran.err
    documents = [[row for row in rows if row["doc"] == doc] for doc in "xyz"]
    joined = [[" ".join(row[side] for row in some) for some in documents] for side in ("out", "target")]
    wanted = BLEU().corpus_score(joined[0], [joined[1]]).score
    found = evalkit.report()["metrics"]["bleu"]
    assert found["value"] == pytest.approx(wanted, abs=1e-9)
    assert found["low"] < found["value"] <= found["high"] == pytest.approx(100.0)
    assert evalkit("verify", "latest").code == 0
    shuffled = evalkit(*words, "dataset.shuffle=1")
    assert "do not stand together" in shuffled.error
