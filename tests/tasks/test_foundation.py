"""The first four tasks from the command line: answers whose scores are known by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI


def rows(benchmark: str, n: int) -> list[dict[str, Any]]:
    lines = (shipped("benchmarks") / benchmark / "data.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines[:n]]


def scores(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def test_sentiment_with_every_third_answer_wrong(evalkit: Commands, server: FakeOpenAI) -> None:
    known = rows("sentiment", 9)

    def answer(body: Mapping[str, Any]) -> str:
        place = next(place for place, row in enumerate(known) if asked(body) == row["text"])
        label = known[place]["label"]
        wrong = {"positive": "negative", "negative": "positive", "neutral": "positive"}[label]
        return json.dumps({"sentiment": wrong if place % 3 == 0 else label})

    server.settings.answer = answer
    assert evalkit(*asking(server, "task=sentiment", "dataset.limit=9", "resamples=10")).code == 0
    assert scores(evalkit)["accuracy"] == pytest.approx(6 / 9)


def test_questions_answered_rightly_partly_and_not(evalkit: Commands, server: FakeOpenAI) -> None:
    """Token F1 of "Anna Keller of Mill Road" against "Anna Keller": precision 2/5, recall 1, F1 4/7."""
    path = write_lines(
        evalkit.folder / "q.jsonl",
        *({"id": name, "question": f"{name}?", "answers": ["Anna Keller"]} for name in "abc"),
    )
    answers = {"a": "Anna Keller", "b": "Anna Keller of Mill Road", "c": "nobody"}
    server.settings.answer = lambda body: json.dumps({"answer": answers[asked(body)[-2]]})
    words = asking(
        server, "task=qa", "dataset=jsonl", f"dataset.path={path}", "dataset.input.question=question",
        "dataset.target=answers", "resamples=10",
    )  # fmt: skip
    assert evalkit(*words).code == 0
    assert scores(evalkit) == pytest.approx({"exact_match": 1 / 3, "token_f1": (1 + 4 / 7) / 3})


def test_a_summary_of_half_the_words(evalkit: Commands, server: FakeOpenAI) -> None:
    """Two of four words in order: precision 1, recall 1/2, ROUGE-1 and L 2/3; one of three bigrams: 1/2."""
    path = write_lines(
        evalkit.folder / "d.jsonl",
        *({"id": n, "document": f"Document {n}.", "summary": "red cats chase mice"} for n in range(2)),
    )
    server.settings.answer = lambda body: "red cats" if "Document 0" in asked(body) else "red cats chase mice"
    words = asking(
        server, "task=summarization", "dataset=jsonl", f"dataset.path={path}",
        "dataset.input.document=document", "dataset.target=summary", "resamples=10",
    )  # fmt: skip
    assert evalkit(*words).code == 0
    half = (1 + 2 / 3) / 2
    assert scores(evalkit) == pytest.approx(
        {"rouge1": half, "rouge2": (1 + 0.5) / 2, "rougeL": half, "rougeLsum": half}
    )


def test_translations_word_for_word_are_a_hundred_and_others_none(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    known: dict[str, str] = {row["en"]: row["de"] for row in rows("translation", 6)}

    def answer(body: Mapping[str, Any]) -> str:
        return next(german for english, german in known.items() if asked(body).endswith(english))

    server.settings.answer = answer
    run = asking(server, "task=translation", "dataset.limit=6", "resamples=10")
    assert evalkit(*run).code == 0
    assert scores(evalkit) == pytest.approx({"bleu": 100.0, "chrf": 100.0})
    server.settings.answer = "零"
    assert evalkit(*run, "cache=off").code == 0
    assert scores(evalkit) == pytest.approx({"bleu": 0.0, "chrf": 0.0})


CHINESE = "今天的会议改到下午三点在二楼举行"


@pytest.mark.parametrize("answer", [CHINESE, CHINESE.replace("三", "四")])
def test_chinese_is_a_hundred_against_itself_and_less_with_one_character_changed(
    answer: str, evalkit: Commands, tmp_path: Path
) -> None:
    data = write_lines(tmp_path / "data.jsonl", {"id": "1", "source": "x", "target": CHINESE})
    said = write_lines(tmp_path / "said.jsonl", {"id": "1", "answer": answer})
    ran = evalkit(
        "run", "task=translation", "dataset=jsonl", f"dataset.path={data}", "dataset.input.source=source",
        "dataset.target=target", "metrics=[bleu,rouge]", "metrics.bleu.tokenize=zh", "model=recorded",
        f"model.path={said}", "model.output=answer", "resamples=10",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    found = scores(evalkit)
    if answer == CHINESE:
        assert (found["bleu"], found["rougeL"]) == pytest.approx((100.0, 1.0))
    else:
        assert 0 < found["bleu"] < 100
        assert found["rougeL"] == pytest.approx(15 / 16)
