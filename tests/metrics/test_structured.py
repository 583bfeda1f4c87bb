"""Metrics of structured answers: one field, slots, and the rules that a reply keeps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

from evalkit.errors import MetricError
from evalkit.metrics.base import Metric
from evalkit.metrics.part import Part
from evalkit.metrics.policy import Policy
from evalkit.metrics.slots import Slots
from evalkit.records import Generation, Response, Sample
from evalkit.search_path import data_path

F1 = {"_target_": "evalkit.metrics.f1.F1", "types": ["macro", "micro"]}
TRUE = {
    "_target_": "evalkit.metrics.f1.F1",
    "labels": ["true"],
    "types": ["per_class", "precision_per_class", "recall_per_class"],
}


def answer(prediction: Any) -> Generation:
    unparsed = "json: no whole JSON object" if prediction is None else None
    return Generation("s", 0, Response("raw"), prediction, unparsed)


def samples(*targets: Any, **columns: Any) -> list[Sample]:
    return [Sample(f"s{n}", {"message": "?"}, target, columns) for n, target in enumerate(targets)]


def values(metric: Metric, predictions: list[Any], asked: list[Sample]) -> dict[str, float]:
    bound = metric.bind(asked)
    rows = bound.statistics([answer(one) for one in predictions], asked)
    again = type(metric)(**json.loads(json.dumps(bound.options)))
    ones = np.ones((1, len(rows)))
    np.testing.assert_array_equal(again.aggregate(rows, ones), bound.aggregate(rows, ones))
    assert (again.names, again.headline) == (bound.names, bound.headline)
    return dict(zip(bound.names, bound.aggregate(rows, ones)[0].tolist(), strict=True))


def test_a_fields_f1_is_scikit_learns() -> None:
    """By sklearn 1.9.1: f1_score(["a","a","b","c"], ["a","b","b","x"], labels=["a","b","c"], zero_division=0)

    is 0.4444… macro and 0.5714… micro (the last prediction is no label of the set).
    """
    asked = samples(*({"intent": one} for one in "aabc"))
    found = values(Part(field="intent", metric=F1), [{"intent": one} for one in "abbx"], asked)
    assert found == pytest.approx({"intent_f1_macro": 4 / 9, "intent_f1_micro": 4 / 7})


def test_decisions_are_labels_too() -> None:
    """Escalated 1 of 2 that should be, and 1 that should not: precision, recall and F1 are 1/2."""
    asked = samples(*({"escalate": one} for one in (True, True, False, False)))
    answers = [{"escalate": one} for one in (True, False, True, False)]
    found = values(Part(field="escalate", metric=TRUE), answers, asked)
    assert found == {
        "escalate_f1[true]": 0.5,
        "escalate_precision[true]": 0.5,
        "escalate_recall[true]": 0.5,
    }


def test_a_fields_chrf_is_sacrebleus_and_samples_without_the_field_are_left_out() -> None:
    asked = samples({"reply": "the cat sat"}, {"intent": "a"}, {"reply": "a red dog"})
    answers = [{"reply": "the cat sits"}, {"reply": "anything"}, {"reply": "red dogs"}]
    metric = Part(field="reply", metric={"_target_": "evalkit.metrics.chrf.ChrF"})
    theirs = sacrebleu.corpus_chrf(["the cat sits", "red dogs"], [["the cat sat", "a red dog"]])
    assert values(metric, answers, asked) == pytest.approx({"reply_chrf": theirs.score})
    assert (metric.maximum, metric.higher_is_better) == (100.0, True)


def test_an_answer_without_the_field_is_wrong_and_said_to_be() -> None:
    asked = samples(*({"order": {"number": "7"}} for _ in range(4)))
    answers: list[Any] = [{"order": {"number": 7}}, {"order": {}}, {"order": {"number": None}}, None]
    metric = Part(field="order.number")
    assert values(metric, answers, asked) == {"order.number_accuracy": 0.25}
    bound = metric.bind(asked)
    assert bound.explain(answer(None), asked[0]) == (
        "no label found (json: no whole JSON object), target '7'"
    )
    assert (
        bound.explain(answer({"order": {}}), asked[0]) == "no label found (no field order.number), target '7'"
    )
    assert [row.tolist() for row in bound.bounds(asked[0]) or ()] == [[1.0, 0.0, 1.0], [1.0, 1.0, 1.0]]


def test_targets_without_the_field_are_told() -> None:
    with pytest.raises(MetricError, match='no sample has a target with a field "intent"'):
        Part(field="intent").bind(samples("text", {"other": 1}))


def test_slots_by_hand() -> None:
    """Right: number; wrong: item; missing: item and mail: F1 2/5, precision 1/2, recall 1/3."""
    wanted = {"number": "BL-1", "item": "Tarn kettle", "mail": "a@b.c", "date": None}
    found = {"number": "bl-1 ", "item": "lamp", "date": ""}
    asked = samples({"slots": wanted}, {"slots": {"tags": ["x", "y"]}}, {"slots": {}})
    one = values(Slots(), [{"slots": found}], asked[:1])
    assert one == pytest.approx(
        {"slot_f1": 2 / 5, "slot_precision": 1 / 2, "slot_recall": 1 / 3, "slot_accuracy": 0.0}
    )
    answers = [{"slots": found}, {"slots": {"tags": ["y", "X"]}}, {"slots": {"number": None}}]
    all_three = values(Slots(), answers, asked)
    assert all_three == pytest.approx(
        {"slot_f1": 6 / 9, "slot_precision": 3 / 4, "slot_recall": 3 / 5, "slot_accuracy": 2 / 3}
    )
    why = "right: number=bl-1; wrong: item=lamp; missing: item=tarn kettle, mail=a@b.c"
    assert Slots().explain(answer({"slots": found}), asked[0]) == why


def test_an_answer_without_slots_misses_them_all_and_is_never_all_right() -> None:
    asked = samples({"slots": {"number": "1"}}, {"slots": {}})
    rows = Slots().statistics([answer(None), answer({"slots": "none"})], asked)
    assert rows.tolist() == [[0, 0, 1, 0, 1], [0, 0, 0, 0, 1]]
    assert Slots(field=None).statistics([answer({"a": 1})], samples({"a": "1"})).tolist() == [[1, 0, 0, 1, 1]]
    with pytest.raises(MetricError, match='the target of sample "s0" has no mapping of slots in its field'):
        Slots().statistics([answer({})], samples({"slots": ["a"]}))


RULES = [
    {"rule": "asks for the number", "contains_any": ["order number"]},
    {"rule": "promises nothing", "contains_none": ["refund"]},
]


def test_rules_by_hand() -> None:
    """The first keeps both rules, the second one, the third none: 1 of 3 replies, 3 of 6 rules."""
    asked = samples(*[{"reply": "?"}] * 3, policy=RULES)
    answers: list[Any] = [{"reply": "Your order number?"}, "I will refund your order number", None]
    metric = Policy()
    assert values(metric, answers, asked) == {"policy_adherence": pytest.approx(1 / 3), "rules_kept": 0.5}
    bound = metric.bind(asked)
    assert bound.explain(answer(answers[1]), asked[0]) == "broken: promises nothing (has 'refund')"
    assert bound.explain(answer(answers[0]), asked[0]) == "every rule is kept"
    assert [row.tolist() for row in bound.bounds(asked[0])] == [[0, 1, 0, 2], [1, 1, 2, 2]]


def test_samples_without_rules_are_left_out_and_rules_may_stand_in_the_target() -> None:
    asked = samples({"must": RULES[:1]}, {"must": []})
    metric = Policy(column="must").bind(asked)
    rows = metric.statistics([answer("x"), answer("y")], asked)
    assert rows.tolist() == [[0, 1, 0, 1], [0, 0, 0, 0]]


def test_what_is_no_rule_is_told() -> None:
    with pytest.raises(MetricError, match='no sample has a rule in "policy"'):
        Policy().bind(samples("x"))
    with pytest.raises(MetricError, match="a rule is a mapping with at least one check"):
        Policy().bind(samples("x", policy=[{"rule": "be nice"}]))
    with pytest.raises(MetricError, match='unknown check "has"'):
        Policy().bind(samples("x", policy=[{"has": "x"}]))


def test_the_embedded_answers_keep_the_rules_of_their_case() -> None:
    path = data_path("benchmark:customer_service")
    assert path is not None
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    asked = [Sample(row["id"], {"message": row["message"]}, row["answer"], {"policy": row["policy"]})
             for row in rows]  # fmt: skip
    right = [row["answer"] for row in rows]
    assert values(Policy(), right, asked) == {"policy_adherence": 1.0, "rules_kept": 1.0}
    assert values(Slots(), right, asked)["slot_f1"] == 1.0
    evasive = [{**one, "reply": "We will see."} for one in right]
    assert values(Policy(), evasive, asked)["policy_adherence"] < 0.1
