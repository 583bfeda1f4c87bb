"""Pre-processing from the command line: what is asked, stored, compared, verified and scored again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import toktok
from commands import Commands, asking, write_lines
from jsonschema import validate

from evalkit.config.compose import load
from evalkit.report import schema

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

LONG = "The bridge opened on Monday. It cost 7 million. Nobody was surprised. The mayor spoke for an hour."
ROWS = [
    {"id": f"d{n}", "document": f"Ｎumber {n}. {LONG}", "summary": f"BRIDGE {n} opened."} for n in range(4)
]


def data(folder: Path) -> list[str]:
    return [
        *("task=summarization", "dataset=jsonl", f"dataset.path={write_lines(folder / 'd.jsonl', *ROWS)}"),
        *("dataset.input.document=document", "dataset.target=summary", "prompt.template='{{ document }}'"),
        *("resamples=10", "metrics=[rouge,exact_match]"),
    ]


def asked(server: FakeOpenAI, place: int = -1) -> str:
    return str(server.requests[place].body["messages"][-1]["content"])


def test_a_field_is_prepared_and_the_row_stays(evalkit: Commands, server: FakeOpenAI) -> None:
    steps = "dataset.preprocess={document: [{unicode: {form: NFKC}}, {truncate: {tokens: 12}}]}"
    ran = evalkit(*asking(server, *data(evalkit.folder), steps, "executor.concurrency=1"))
    assert ran.code == 0, ran.err
    sent = toktok.truncate(f"Number 0. {LONG}", 12, "o200k_base")[0]
    assert sent in {asked(server, place) for place in range(4)}
    line = evalkit.samples()[0]
    assert line["input"]["document"] == ROWS[0]["document"]
    assert line["added"] == {"document": sent}
    assert evalkit.report()["dataset"]["preprocess"] == {"document": "unicode:NFKC+truncate:12"}
    validate(evalkit.report(), schema.load("report"))
    accepted = evalkit("accept", "latest", "--reason", "first", "--allow-dirty")
    assert accepted.code == 0, accepted.err
    manifest = json.loads((evalkit.folder / "results/baselines/main/manifest.json").read_text("utf-8"))
    validate(manifest, schema.load("baseline-manifest"))
    shown = evalkit("report", "latest", "--format", "markdown").out
    assert "document: unicode:NFKC+truncate:12" in shown
    assert evalkit("verify", "latest").code == 0


def test_runs_with_and_without_are_compared(evalkit: Commands, server: FakeOpenAI) -> None:
    words = asking(server, *data(evalkit.folder))
    assert evalkit(*words).code == 0
    first = evalkit.report()["run_id"]
    assert evalkit(*words, "dataset.preprocess.document=[strip,{sentences: {first: 1}}]").code == 0
    assert server.count == 8  # another prompt, another answer in the cache
    compared = evalkit("compare", first, evalkit.report()["run_id"])
    assert compared.code == 0, compared.err
    assert "pre-processing changed from none to document strip+sentences:first1" in compared.out


def test_a_field_of_another(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(
        *asking(server, *data(evalkit.folder), "prompt.template='{{ parts[0] }}|{{ parts | length }}'"),
        "dataset.preprocess={parts: {from: document, steps: [{chunks: {tokens: 10, borders: sentence}}]}}",
        "dataset.limit=1",
    )
    assert ran.code == 0, ran.err
    parts = evalkit.samples()[0]["added"]["parts"]
    assert " ".join(parts) == ROWS[0]["document"]
    assert asked(server) == f"{parts[0]}|{len(parts)}"
    told = evalkit.report()["dataset"]["preprocess"]
    assert told == {"parts": "document>chunks:10,sentence"}


def test_metrics_with_steps_are_stored_scored_again_compared_and_verified(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    """The answers differ from the targets by case alone."""
    server.settings.answer = lambda body: f"bridge {body['messages'][-1]['content'][7]} opened."
    words = asking(server, *data(evalkit.folder))
    assert evalkit(*words).code == 0
    first = evalkit.report()
    assert evalkit(*words, "metrics.exact_match.preprocess=[lower]").code == 0
    report = evalkit.report()
    values = [one["metrics"]["exact_match"]["value"] for one in (first, report)]
    assert values == [0.0, 1.0]
    family = report["families"]["exact_match"]
    assert family["key"] == "norm:strip|case:mixed|pre:lower"
    assert family["target"] == "evalkit.metrics.exact_match.ExactMatch"
    assert evalkit("verify", "latest").code == 0
    scored = evalkit("score", first["run_id"], "metrics.exact_match.preprocess=[lower]")
    assert scored.code == 0, scored.err
    assert evalkit.report()["metrics"]["exact_match"]["value"] == 1.0
    compared = evalkit("compare", first["run_id"], report["run_id"])
    assert "exact_match of the baseline was norm:strip|case:mixed; it was scored again" in compared.out
    assert evalkit("gate", report["run_id"], "--baseline", first["run_id"]).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            "dataset.preprocess={documnt: [strip]}",
            'dataset.preprocess.documnt: sample "d0" has no field "documnt" (did you mean "document"?)',
        ),
        ("dataset.preprocess={document: strip}", "dataset.preprocess.document: a list of steps"),
        ("dataset.preprocess={parts: {of: document}}", "{from: <field>, steps: […]} for a field of another"),
        ("dataset.preprocess.document=[stripp]", 'dataset.preprocess.document[0]: no step "stripp"'),
        ("metrics.rouge.preprocess=[chunk]", 'metrics.rouge.preprocess[0]: no step "chunk"'),
    ],
)
def test_mistakes_are_told_before_anything_is_sent(
    words: str, said: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    assert said in evalkit(*asking(server, *data(evalkit.folder), words)).error
    assert server.count == 0


def test_the_one_line_override_of_the_documentation() -> None:
    config: Any = load(["task=summarization", "dataset.preprocess={document: [{truncate: {tokens: 2000}}]}"])
    assert config.dataset.preprocess == {"document": [{"truncate": {"tokens": 2000}}]}


def test_examples_are_prepared_like_the_question(evalkit: Commands, server: FakeOpenAI) -> None:
    pool = write_lines(evalkit.folder / "pool.jsonl", {"document": "Pool one. Pool two.", "summary": "P"})
    ran = evalkit(
        *asking(server, *data(evalkit.folder), "dataset.preprocess={document: [{sentences: {first: 1}}]}"),
        *("fewshot.k=1", f"fewshot.path={pool}", "dataset.limit=1"),
    )
    assert ran.code == 0, ran.err
    assert [one["content"] for one in server.requests[-1].body["messages"]][-3:] == [
        "Pool one.",
        "P",
        "Ｎumber 0.",
    ]


def test_rolling_summarization_over_the_chunks_of_a_document(evalkit: Commands, server: FakeOpenAI) -> None:
    """Six parts, six questions; each sees the replies before it, and the last reply is the summary."""
    paragraphs = [f"Paragraph {n} says that {LONG}" for n in range(1, 7)]
    rows = [{"id": "long", "document": "\n\n".join(paragraphs), "summary": "sum of 6"},
            {"id": "short", "document": "A short one.", "summary": "sum of 1"}]  # fmt: skip

    def answer(body: Any) -> str:
        return f"sum of {sum(one['role'] == 'user' for one in body['messages'])}"

    server.settings.answer = answer
    ran = evalkit(
        *asking(server, "task=summarization", "prompt=summarization_rolling", "resamples=10"),
        *("dataset=jsonl", f"dataset.path={write_lines(evalkit.folder / 'd.jsonl', *rows)}"),
        *("dataset.input.document=document", "dataset.target=summary", "metrics=[exact_match,rouge]"),
        "dataset.preprocess.document=[{chunks: {tokens: 40}}]",
    )
    assert ran.code == 0, ran.err
    assert evalkit.report()["metrics"]["exact_match"]["value"] == 1.0
    assert evalkit.report()["dataset"]["preprocess"] == {"document": "chunks:40"}
    line = evalkit.samples()[0]
    assert line["added"]["document"] == paragraphs
    assert [turn["output"] for turn in line["turns"]] == [f"sum of {n}" for n in range(1, 6)]
    assert server.count == 7
    last = max((one.body["messages"] for one in server.requests), key=len)
    users = [one["content"] for one in last if one["role"] == "user"]
    assert users[0].startswith(
        f"{paragraphs[0]}\n\nThe text above is part 1 of 6 of a longer text. Summarize it in"
    )
    assert users[2].startswith(
        f"{paragraphs[2]}\n\nThis is part 3 of 6. Summarize all parts so far in at most"
    )
    assert users[5].endswith(
        "This was the last part. Summarize the whole text in one short sentence, in the same language as the "
        "text. Write only the summary."
    )
    assert [one["content"] for one in last if one["role"] == "assistant"] == [
        f"sum of {n}" for n in range(1, 6)
    ]
    shortest = min((one.body["messages"] for one in server.requests), key=lambda some: len(str(some)))
    assert shortest[-1]["content"].startswith(
        "A short one.\n\nSummarize the text above in one short sentence"
    )
    assert evalkit("verify", "latest").code == 0


def test_long_documents_cut_in_one_line(evalkit: Commands, server: FakeOpenAI) -> None:
    for keep in ("head", "tail", "both"):
        steps = f"dataset.preprocess={{document: [{{truncate: {{tokens: 20, keep: {keep}}}}}]}}"
        ran = evalkit(*asking(server, *data(evalkit.folder), steps, "dataset.limit=1"))
        assert ran.code == 0, ran.err
        assert toktok.batch_count([asked(server)], "o200k_base")[0] <= 20
        assert asked(server).startswith("Ｎumber 0.") == (keep != "tail")
        assert asked(server).endswith("for an hour.") == (keep != "head")
