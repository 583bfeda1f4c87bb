"""A shop's answers from the command line: intents, slots, decisions, policy, and a scripted customer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, write_lines

from evalkit.search_path import data_path

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

QUICK = ("resamples=10",)


def rows_of(name: str) -> list[dict[str, Any]]:
    path = data_path(f"benchmark:{name}")
    assert path is not None
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def last(body: Mapping[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


def scores(evalkit: Commands) -> dict[str, float]:
    return {name: one["value"] for name, one in evalkit.report()["metrics"].items()}


def test_right_and_wrong_answers_to_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Of every four answers the first is right, the second escalates the other way, the third has no JSON,
    the fourth loses its slots and breaks the policy."""
    rows = rows_of("customer_service")
    assert len(rows) == 44
    by_message = {row["message"]: (place, row["answer"]) for place, row in enumerate(rows)}

    def answer(body: Mapping[str, Any]) -> str:
        place, right = by_message[last(body).rpartition("Customer: ")[2]]
        if place % 4 == 1:
            right = {**right, "escalate": not right["escalate"]}
        if place % 4 == 2:
            return "I would rather talk about the weather."
        if place % 4 == 3:
            right = {**right, "slots": {}, "reply": "We will see."}
        return f"```json\n{json.dumps(right, ensure_ascii=False)}\n```"

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=customer_service", *QUICK))
    assert ran.code == 0, ran.err
    found = scores(evalkit)
    assert found["intent_accuracy"] == 0.75
    filled = [[value for value in row["answer"]["slots"].values() if value] for row in rows]
    kept = sum(len(one) for place, one in enumerate(filled) if place % 4 < 2)
    every = sum(map(len, filled))
    assert found["slot_precision"] == 1.0
    assert found["slot_recall"] == pytest.approx(kept / every)
    assert found["slot_f1"] == pytest.approx(2 * kept / (kept + every))
    escalated = [row["answer"]["escalate"] for row in rows]
    hits = sum(one for place, one in enumerate(escalated) if place % 4 in {0, 3})
    false = sum(not one for place, one in enumerate(escalated) if place % 4 == 1)
    assert found["escalate_recall[true]"] == pytest.approx(hits / sum(escalated))
    assert found["escalate_precision[true]"] == pytest.approx(hits / (hits + false))
    keeps = sum(place % 4 < 2 for place in range(len(rows)))
    loose = [row for place, row in enumerate(rows) if place % 4 == 3]
    negative = sum(
        all(set(rule) <= {"rule", "contains_none", "not_regex"} for rule in row["policy"]) for row in loose
    )
    assert found["policy_adherence"] == pytest.approx((keeps + negative) / len(rows))
    assert evalkit.report()["counts"]["unparsed"] == 11
    assert evalkit("verify", "latest").code == 0
    schema = server.requests[0].body["response_format"]["json_schema"]["schema"]
    assert len(schema["properties"]["intent"]["enum"]) == 15
    why = evalkit("show", "latest", "cs-004").out
    assert "no slots" in why or "missing: order_number=bl-31180" in why


def test_intents_of_the_embedded_benchmark(evalkit: Commands, server: FakeOpenAI) -> None:
    """Every fourth answer names another intent: accuracy 3/4, whatever way they are written."""
    rows = rows_of("customer_service")
    intents = {row["message"]: (place, row["answer"]["intent"]) for place, row in enumerate(rows)}

    def answer(body: Mapping[str, Any]) -> str:
        place, intent = intents[last(body)]
        if place % 4 == 3:
            return "invoice_request" if intent == "complaint" else "complaint"
        forms = (json.dumps({"intent": intent}), intent.replace("_", " ").title(), f"Intent: {intent}.")
        return forms[place % 4]

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=customer_service_intent", *QUICK))
    assert ran.code == 0, ran.err
    found = scores(evalkit)
    assert set(found) == {"accuracy", "f1_macro", "f1_micro"}
    assert found["accuracy"] == found["f1_micro"] == 0.75
    assert "wrong_item" in server.requests[0].body["messages"][0]["content"]


def test_intents_of_your_own(evalkit: Commands, server: FakeOpenAI) -> None:
    path = write_lines(
        evalkit.folder / "mine.jsonl",
        {"text": "Book a table", "wish": "booking"}, {"text": "Open on Sunday?", "wish": "opening hours"},
    )  # fmt: skip
    server.settings.answer = "opening hours"
    words = ("task=customer_service_intent", "dataset=jsonl", f"dataset.path={path}", "dataset.target=wish")
    ran = evalkit(*asking(server, *words, "prompt.variables.intents=[booking,opening hours]", *QUICK))
    assert ran.code == 0, ran.err
    assert scores(evalkit)["accuracy"] == 0.5


def test_a_scripted_customer_gives_the_number_only_when_asked(evalkit: Commands, server: FakeOpenAI) -> None:
    """Even conversations get the references; odd ones never ask for the number, and so never hear it."""
    rows = rows_of("customer_service/dialogues")
    starts = {row["turns"][0]: (place, row) for place, row in enumerate(rows)}
    assert len(starts) == len(rows) == 32

    def answer(body: Mapping[str, Any]) -> str:
        said = [str(one["content"]) for one in body["messages"] if one["role"] == "user"]
        place, row = starts[said[0]]
        check = row["checks"][len(said) - 1]
        return "Well, hm." if place % 2 or check is None else check["reference"]

    server.settings.answer = answer
    ran = evalkit(*asking(server, "task=customer_service_dialogue", *QUICK))
    assert ran.code == 0, ran.err
    assert scores(evalkit)["conversation_accuracy"] == 0.5
    talks = {tuple(str(one["content"]) for one in body["messages"] if one["role"] == "user")
             for body in (one.body for one in server.requests)}  # fmt: skip
    assert ("Where is my kettle?", "It's BL-20417.") in talks
    assert ("I want to cancel my order.", "So is it cancelled?") in talks
    assert ("I want to cancel my order.", "BL-31180.") not in talks


@pytest.mark.shared
def test_banking77_by_one_command(evalkit: Commands, server: FakeOpenAI, shared_data: Path) -> None:
    """Each third answer is the next label, each fiftieth prose. By scikit-learn 1.9.1, accuracy_score and
    f1_score(labels=<the 77>, zero_division=0): accuracy 0.65194805, macro F1 0.65766689, micro 0.65879265."""
    path = shared_data / "intent_banking77.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    labels = sorted({row["label"] for row in rows})
    said: dict[str, str] = {}
    for place, row in enumerate(rows):
        wrong = labels[(labels.index(row["label"]) + 1) % len(labels)]
        said[row["text"]] = "I cannot say." if place % 50 == 7 else wrong if place % 3 == 0 else row["label"]
    assert (len(labels), len(said)) == (77, 770)
    server.settings.answer = lambda body: json.dumps({"intent": said[last(body)]})
    ran = evalkit(
        *asking(
            server,
            *("task=customer_service_intent", "dataset=banking77"),
            *(
                "dataset._target_=evalkit.datasets.files.JsonLines",
                f"dataset.path={path}",
                "dataset.split=null",
            ),
            *("dataset.revision=null", "dataset.target=label", *QUICK),
        )
    )
    assert ran.code == 0, ran.err
    assert scores(evalkit) == pytest.approx(
        {"accuracy": 0.6519480519480519, "f1_macro": 0.6576668945089997, "f1_micro": 0.6587926509186351}
    )
    assert evalkit.report()["counts"]["unparsed"] == 16
