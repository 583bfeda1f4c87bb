"""Multiple choice from the command line: right and wrong answers, orders, probabilities, public data."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines
from fake_openai import Reply

from evalkit.choices import right_choices
from evalkit.search_path import shipped

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

FOLDER = shipped("benchmarks") / "multiple_choice"
ROWS = [json.loads(line) for line in (FOLDER / "data.jsonl").read_text("utf-8").splitlines()]


def asked(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def row_of(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(row for row in ROWS if asked(body).startswith(row["question"]))
    return found


def right_letter(body: Mapping[str, Any]) -> str:
    """The letter at which the right choice stands in what was asked."""
    row = row_of(body)
    text = row["choices"]["ABCD".index(row["answer"])]
    return next(line[0] for line in asked(body).splitlines() if line[1:] == f". {text}")


def wrong_letter(body: Mapping[str, Any]) -> str:
    return "ABCD"[("ABCD".index(right_letter(body)) + 1) % 4]


def values(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def test_the_benchmark_is_balanced_and_the_card_says_what_it_is() -> None:
    assert len(ROWS) == len({row["id"] for row in ROWS}) == len({row["question"] for row in ROWS}) == 48
    assert Counter(row["answer"] for row in ROWS) == dict.fromkeys("ABCD", 12)
    for row in ROWS:
        assert len({text.casefold() for text in row["choices"]}) == 4
        assert right_choices(row["answer"], row["choices"])
    digest = hashlib.sha256((FOLDER / "data.jsonl").read_bytes()).hexdigest()
    assert digest in (FOLDER / "card.md").read_text("utf-8")


def test_right_and_wrong_answers_in_the_ways_that_models_write_them(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    """Of eight answers four are right, three wrong and one names no choice: accuracy 1/2."""

    def answer(body: Mapping[str, Any]) -> str:
        place = ROWS.index(row_of(body))
        right, wrong = right_letter(body), wrong_letter(body)
        text = row_of(body)["choices"]["ABCD".index(row_of(body)["answer"])]
        said = [right, f"The answer is ({right}).", f"**{right}. {text}**", f"答案是{right}"]
        return [*said, wrong, f"Answer: {wrong}", f"{wrong}) so it is", "I do not know."][place]

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=multiple_choice", "dataset.limit=8", "resamples=10"))
    assert ran.code == 0, ran.err
    assert values(evalkit)["choice_accuracy"] == 0.5
    assert [one["statistics"]["choice_accuracy"] for one in evalkit.samples()] == [[1, 1]] * 4 + [[0, 1]] * 4
    assert evalkit.samples()[7]["unparsed"].startswith("choice: names none of the choices A to D")
    shown = evalkit("show", "latest", ROWS[4]["id"]).out
    assert f"right is {ROWS[4]['answer']} ({ROWS[4]['choices']['ABCD'.index(ROWS[4]['answer'])]})" in shown
    assert evalkit("verify", "latest").code == 0


def test_a_model_that_always_takes_the_first_place_is_found_out(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    """Four rotations put each right choice at each place once: accuracy 1/4, distance ½(¾ + 3 · ¼) = ¾."""
    server.settings.answer = "A"
    ran = evalkit(*asking(server, "experiment=multiple_choice_orders", "resamples=10"))
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert server.count == 4 * 48
    assert found["choice_accuracy"] == pytest.approx(0.25)
    assert found["position_bias"] == pytest.approx(0.75)
    assert found["recall_std"] == pytest.approx(math.sqrt(3) / 4)  # of 1, 0, 0, 0
    assert (found["consistency"], found["circular_accuracy"]) == (0.0, 0.0)
    assert (found["chosen[A]"], found["right[A]"], found["right[D]"]) == (1.0, 0.25, 0.25)
    subjects = evalkit.report()["slices"]["subject"]["values"]
    assert {one["value"] for one in subjects} == {row["subject"] for row in ROWS}


def test_a_model_that_goes_by_content_has_no_position_bias(evalkit: Commands, server: FakeOpenAI) -> None:
    """Right in every order for half of the questions, and the same wrong choice for the others."""

    def answer(body: Mapping[str, Any]) -> str:
        row = row_of(body)
        right = "ABCD".index(row["answer"])
        text = row["choices"][right if ROWS.index(row) % 2 == 0 else (right + 2) % 4]
        return next(line for line in asked(body).splitlines() if line[1:] == f". {text}")

    server.settings.answer = answer
    ran = evalkit(*asking(server, "experiment=multiple_choice_orders", "dataset.limit=10", "resamples=10"))
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert (found["choice_accuracy"], found["position_bias"]) == (0.5, 0.0)
    assert (found["consistency"], found["circular_accuracy"]) == (1.0, 0.5)
    assert evalkit("verify", "latest").code == 0


def test_consistency_needs_several_orders(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(*asking(server, "task=multiple_choice", "metrics=[consistency]"))
    assert "circular_accuracy needs 2 answers to each sample, and there are 1; set trials=2" in ran.error
    assert server.count == 0


def test_examples_are_shown_with_the_letters_of_their_right_choices(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "A"
    words = (
        "task=multiple_choice",
        "dataset.limit=2",
        "fewshot.k=5",
        "fewshot.path=benchmark:multiple_choice",
    )
    assert evalkit(*asking(server, *words, "resamples=10")).code == 0
    messages = server.requests[0].body["messages"]
    assert [one["role"] for one in messages] == ["system", *["user", "assistant"] * 5, "user"]
    for question, answer in zip(messages[1:-1:2], messages[2:-1:2], strict=True):
        row = next(row for row in ROWS if question["content"].startswith(row["question"]))
        assert answer["content"] == row["answer"]
        assert re.findall(r"^([A-D])\. (.*)$", question["content"], re.MULTILINE) == list(
            zip("ABCD", row["choices"], strict=True)
        )


@pytest.mark.parametrize(
    ("target", "column"),
    [("answer", {"answer": 1}), ("text", {"text": "Oslo"}), ("mask", {"mask": [0, 1, 0]})],
)
def test_own_data_with_any_form_of_target(
    target: str, column: dict[str, Any], evalkit: Commands, server: FakeOpenAI
) -> None:
    server.settings.answer = "B"
    path = write_lines(
        evalkit.folder / "own.jsonl", {"question": "Where?", "choices": ["Rome", "Oslo", "Lima"], **column}
    )
    words = ("task=multiple_choice", "dataset=jsonl", f"dataset.path={path}", f"dataset.target={target}")
    mapped = ("dataset.input.question=question", "dataset.input.choices=choices", "resamples=10")
    assert evalkit(*asking(server, *words, *mapped)).code == 0
    assert values(evalkit)["choice_accuracy"] == 1.0


def test_choices_in_columns_of_their_own(evalkit: Commands, server: FakeOpenAI) -> None:
    server.settings.answer = lambda body: "B" if "B. Oslo" in asked(body) else "?"
    path = write_lines(
        evalkit.folder / "own.jsonl", {"question": "Where?", "A": "Rome", "B": "Oslo", "answer": "B", "n": 7}
    )
    words = ("task=multiple_choice", "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer")
    mapped = ("dataset.input.question=question", "dataset.input.choices=[A,B]", "resamples=10")
    ran = evalkit(*asking(server, *words, *mapped))
    assert ran.code == 0, ran.err
    (line,) = evalkit.samples()
    assert line["input"] == {"question": "Where?", "choices": ["Rome", "Oslo"]}
    assert line["metadata"] == {"n": 7}
    assert values(evalkit)["choice_accuracy"] == 1.0
    ran = evalkit(*asking(server, *words, *mapped[:1], "dataset.input.choices=[A,C]"))
    assert 'no column "C" for dataset.input.choices' in ran.error


def likely(shares: Mapping[str, float]) -> Reply:
    """One token, and what else could have stood there: the API's body, written by hand."""
    entries = [{"token": one, "logprob": math.log(share), "bytes": None} for one, share in shares.items()]
    message = {"role": "assistant", "content": entries[0]["token"], "refusal": None}
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": "length",
        "logprobs": {"content": [{**entries[0], "top_logprobs": entries}], "refusal": None},
    }
    usage = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o", "usage": usage}
    return Reply(raw_body=json.dumps({**body, "choices": [choice]}).encode())


def test_letters_are_scored_by_their_probabilities(evalkit: Commands, server: FakeOpenAI) -> None:
    """The most likely token is a wrong letter, but the right one's two spellings have more: all are right."""

    def answer(body: Mapping[str, Any]) -> Reply:
        assert (body["logprobs"], body["top_logprobs"], body["max_tokens"]) == (True, 20, 1)
        right, wrong = right_letter(body), wrong_letter(body)
        return likely({wrong: 0.4, right: 0.3, f" {right}": 0.2, "The": 0.1})

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=multiple_choice_logprobs", "dataset.limit=4", "resamples=10"))
    assert ran.code == 0, ran.err
    assert values(evalkit)["choice_accuracy"] == 1.0
    line = evalkit.samples()[0]
    assert line["prediction"]["answer"] == ROWS[0]["answer"]
    assert line["prediction"]["probabilities"][ROWS[0]["answer"]] == pytest.approx(5 / 9)
    assert sum(line["prediction"]["probabilities"].values()) == pytest.approx(1.0)


def test_probabilities_must_be_asked_for(evalkit: Commands, server: FakeOpenAI) -> None:
    ran = evalkit(
        *asking(
            server,
            "task=multiple_choice_logprobs",
            "model.params.logprobs=null",
            "model.params.top_logprobs=null",
        )
    )
    assert "step choice_logprobs reads log-probabilities, and the model is not asked for any" in ran.error
    assert server.count == 0


def test_a_server_without_probabilities_leaves_answers_unparsed(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    body = json.loads(likely({"A": 0.9}).raw_body or b"")
    body["choices"][0]["logprobs"] = None
    server.settings.answer = Reply(raw_body=json.dumps(body).encode())
    ran = evalkit(*asking(server, "task=multiple_choice_logprobs", "dataset.limit=1", "resamples=10"))
    assert ran.code == 0, ran.err
    assert "no log-probabilities; ask with model.params.logprobs=true" in evalkit.samples()[0]["unparsed"]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mmlu", "truthfulqa"])
def test_the_first_letter_on_public_data(
    name: str, evalkit: Commands, server: FakeOpenAI, shared_data: Path
) -> None:
    """Accuracy and bias of "A" are the shares of right choices at A and elsewhere, counted here directly."""
    path = shared_data / f"qa_multiple_choice_{name}.jsonl"
    places = Counter(json.loads(line)["answer"] for line in path.read_text("utf-8").splitlines())
    first = places[0] / places.total()
    server.settings.answer = "A"
    words = ("task=multiple_choice", "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer")
    mapped = ("dataset.input.question=question", "dataset.input.choices=choices", "slices=[subject]")
    ran = evalkit(*asking(server, *words, *mapped, "resamples=10"))
    assert ran.code == 0, ran.err
    found = values(evalkit)
    assert found["choice_accuracy"] == pytest.approx(first)
    assert found["position_bias"] == pytest.approx(1 - first)
    assert found["right[C]"] == pytest.approx(places[2] / places.total())
