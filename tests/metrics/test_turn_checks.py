"""Checks turn by turn: hand-worked shares, and the embedded conversations' own references."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics.test_turns import conversation, said

from evalkit.errors import MetricError
from evalkit.metrics.turn_checks import TurnChecks
from evalkit.records import Sample
from evalkit.search_path import data_path

NORA = {"contains_all": ["Nora"]}
SAMPLES = [
    conversation("a", None, NORA),
    conversation("b", {"number": 4}, {"number": 8}),
    conversation("c", NORA, None, {"max_words": 1}),
]


def values(metric: TurnChecks, rows: Any) -> dict[str, float]:
    return dict(zip(metric.names, metric.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


def test_shares_by_hand() -> None:
    """Of 5 checked replies 3 are right; of 3 conversations one is; by turn 1 of 2, 1 of 2, 1 of 1."""
    metric = TurnChecks().bind(SAMPLES)
    answers = [said("a", "hm", "You are Nora."), said("b", "It is 4", "9"), said("c", "Lena", "?", "Yes")]
    rows = metric.statistics(answers, SAMPLES)
    assert values(metric, rows) == pytest.approx(
        {
            "turn_accuracy": 3 / 5,
            "conversation_accuracy": 1 / 3,
            "turn_accuracy@1": 1 / 2,
            "turn_accuracy@2": 1 / 2,
            "turn_accuracy@3": 1.0,
        }
    )
    assert metric.headline == ("turn_accuracy", "conversation_accuracy")
    assert metric.explain(answers[1], SAMPLES[1]) == "turn 1 passes; turn 2 its last number is 9, not 8"
    again = TurnChecks(**json.loads(json.dumps(metric.options)))
    assert (again.names, again.key) == (metric.names, "checks:target|turns:3")
    np.testing.assert_array_equal(again.statistics(answers, SAMPLES), rows)


def test_a_missing_or_unparsed_reply_is_wrong() -> None:
    metric = TurnChecks().bind(SAMPLES)
    rows = metric.statistics([said("b", None, "8"), said("b", "4")], [SAMPLES[1]] * 2)
    assert rows[:, :4].tolist() == [[1.0, 2.0, 0.0, 1.0], [0.0, 2.0, 0.0, 1.0]]
    assert "turn 1 has no reply" in metric.explain(said("b", None, "8"), SAMPLES[1])


def test_a_failed_conversation_could_have_been_all_wrong_or_all_right() -> None:
    metric = TurnChecks().bind(SAMPLES)
    ends = metric.aggregate(np.stack(metric.bounds(SAMPLES[2])), np.eye(2))
    assert ends[:, :2].tolist() == [[0.0, 0.0], [1.0, 1.0]]


def test_checks_may_stand_in_another_column() -> None:
    sample = Sample("a", {"turns": ["x", "y"]}, "a text", {"rules": [None, NORA]})
    metric = TurnChecks(column="rules").bind([sample])
    assert metric.statistics([said("a", "?", "Nora")], [sample])[0, :2].tolist() == [1.0, 1.0]
    assert metric.signature == "checks:rules|turns:2"


def test_what_cannot_be_checked_is_told() -> None:
    with pytest.raises(MetricError, match="no sample has a check"):
        TurnChecks().bind([conversation("a", None, "a text")])
    with pytest.raises(MetricError, match='sample "a", turn 2: unknown check "has"'):
        TurnChecks().bind([conversation("a", None, {"has": "x"})])
    with pytest.raises(MetricError, match="bind the metric first"):
        TurnChecks().statistics([said("a", "x")], SAMPLES[:1])
    with pytest.raises(MetricError, match="turns=0"):
        TurnChecks(turns=0)


@pytest.mark.parametrize("name", ["chat", "customer_service/dialogues"])
def test_the_embedded_references_pass_and_an_evasive_reply_does_not(name: str) -> None:
    path = data_path(f"benchmark:{name}")
    assert path is not None
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]
    samples = [Sample(row["id"], {"turns": row["turns"]}, row["checks"]) for row in rows]
    metric = TurnChecks().bind(samples)

    def all_say(text: str | None) -> list[Any]:
        return [
            said(one.id, *(text or (check["reference"] if check else "Sure.") for check in one.target))
            for one in samples
        ]

    assert set(values(metric, metric.statistics(all_say(None), samples)).values()) == {1.0}
    assert values(metric, metric.statistics(all_say("Well, hm."), samples))["conversation_accuracy"] == 0.0
