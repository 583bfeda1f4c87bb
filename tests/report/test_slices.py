"""Scores by the values of a column: which parts there are, and that each is its samples' own score."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evalkit.errors import ConfigError
from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.base import Metric
from evalkit.metrics.bleu import Bleu
from evalkit.records import Generation, Response, Sample
from evalkit.report.slices import MOST_VALUES, divide, slices_of
from evalkit.scoring import Resampling

RESAMPLING = Resampling(resamples=200)
TEXTS = [
    ("the cat sat on the mat", "the cat sat on a mat", "en"),
    ("a dog ran in the park", "a dog ran in the park", "en"),
    ("ein Hund lief im Park herum", "der Hund lief im Park", "de"),
    ("es regnet heute sehr stark", "heute regnet es stark", "de"),
    ("it rains a lot today", "it rains very much today", "en"),
]


def bound(metric: Metric) -> tuple[Metric, list[dict[str, Any]]]:
    """A metric bound to the five texts, and their lines as in samples.jsonl."""
    samples = [
        Sample(str(place), {"n": place}, target, {"lang": lang})
        for place, (_, target, lang) in enumerate(TEXTS)
    ]
    made = metric.bind(samples)
    lines = []
    for sample, (text, _, _) in zip(samples, TEXTS, strict=True):
        rows = made.statistics([Generation(sample.id, 0, Response(text), text)], [sample])
        lines.append(line(sample.id, sample.metadata, statistics={"bleu": rows[0].tolist()}, n=sample.id))
    return made, lines


def line(
    name: str, metadata: Any, *, statistics: Any = None, trial: int = 0, **inputs: Any
) -> dict[str, Any]:
    made = {"id": name, "trial": trial, "input": inputs, "target": "x", "metadata": metadata}
    return made | ({"failure": {"kind": "timeout"}} if statistics is None else {"statistics": statistics})


def test_a_slice_of_a_corpus_metric_is_the_corpus_score_of_its_samples() -> None:
    metric, lines = bound(Bleu(tokenize="13a"))
    found = slices_of(lines, {"bleu": metric}, ["lang"], RESAMPLING)["lang"]
    rows = np.array([one["statistics"]["bleu"] for one in lines])
    masks = {"en": [1.0, 1, 0, 0, 1], "de": [0.0, 0, 1, 1, 0]}
    for one in found["values"]:
        wanted = metric.aggregate(rows, np.array([masks[one["value"]]]))[0, 0]
        assert one["metrics"]["bleu"]["value"] == pytest.approx(float(wanted), abs=1e-9)
    assert {one["value"]: one["n"] for one in found["values"]} == {"en": 3, "de": 2}
    assert found["left_out"] == {"values": 0, "samples": 0}


def test_failed_and_unparsed_samples_are_counted_in_their_slice() -> None:
    lines = [
        line("a", {"lang": "de"}, statistics={"accuracy": [1, 1]}),
        line("b", {"lang": "de"}),
        line("c", {"lang": "fr"}),
        line("d", {"lang": "de"}, statistics={"accuracy": [0, 1]}) | {"unparsed": "no label"},
    ]
    de, fr = slices_of(lines, {"accuracy": Accuracy()}, ["lang"], RESAMPLING)["lang"]["values"]
    assert (de["n"], de["n_failed"], de["n_unparsed"]) == (2, 1, 1)
    assert de["metrics"]["accuracy"]["value"] == 0.5
    assert fr == {"value": "fr", "n": 0, "n_failed": 1, "n_unparsed": 0, "metrics": {}}


def test_trials_of_a_sample_are_one_row_of_its_slice() -> None:
    lines = [
        line("a", {"lang": "de"}, statistics={"accuracy": [1, 1]}),
        line("a", {"lang": "de"}, statistics={"accuracy": [0, 1]}, trial=1),
        line("b", {"lang": "de"}, statistics={"accuracy": [1, 1]}),
    ]
    (de,) = slices_of(lines, {"accuracy": Accuracy()}, ["lang"], RESAMPLING)["lang"]["values"]
    assert (de["n"], de["metrics"]["accuracy"]["value"]) == (2, 0.75)


def test_too_few_samples_have_a_value_and_no_bootstrap_interval() -> None:
    metric, lines = bound(Bleu(tokenize="13a"))
    for one in slices_of(lines, {"bleu": metric}, ["lang"], RESAMPLING)["lang"]["values"]:
        assert one["metrics"]["bleu"]["value"] > 0
        assert one["metrics"]["bleu"]["low"] is None
        assert one["metrics"]["bleu"]["interval"] == "none"


def test_columns_are_of_metadata_first_then_of_input_also_inside_objects() -> None:
    lines = [line("a", {"meta": {"lang": "de"}, "n": 1}, statistics={"accuracy": [1, 1]}, n=2, kind="k")]
    found = slices_of(lines, {"accuracy": Accuracy()}, ["meta.lang", "n", "kind"], RESAMPLING)
    assert [one["values"][0]["value"] for one in found.values()] == ["de", "1", "k"]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "lagn",
            r'slices: no sample has a column "lagn" \(did you mean "lang"\?\); the columns are .*meta.a',
        ),
        ("meta", r'the column "meta" holds objects; name one of meta.a, meta.b'),
    ],
)
def test_a_column_that_cannot_be_meant_is_refused(name: str, says: str) -> None:
    lines = [line("a", {"lang": "de", "meta": {"a": 1, "b": 2}}, statistics={"accuracy": [1, 1]})]
    with pytest.raises(ConfigError, match=says):
        slices_of(lines, {"accuracy": Accuracy()}, [name], RESAMPLING)


def test_values_are_ordered_by_frequency_and_absent_ones_come_last() -> None:
    found = divide(["fr", "de", None, None, None, "de", True])
    assert dict(found.parts) == {"de": [1, 5], "fr": [0], "true": [6], "(none)": [2, 3, 4]}


def test_few_numbers_stand_for_themselves_in_their_order() -> None:
    assert list(divide([10, 9, 9, 2.5, None]).parts) == ["2.5", "9", "10", "(none)"]


def test_many_numbers_go_into_four_ranges_of_equal_size() -> None:
    """1…20: quartiles at 5.75, 10.5 and 15.25 divide it five by five; whole numbers get whole edges."""
    found = divide([*range(1, 21), None])
    assert {label: len(places) for label, places in found.parts.items()} == {
        "[1, 6)": 5,
        "[6, 11)": 5,
        "[11, 16)": 5,
        "[16, 20]": 5,
        "(none)": 1,
    }
    assert next(iter(divide([number / 2 for number in range(1, 21)]).parts)) == "[0.5, 2.875)"


def test_every_number_is_in_exactly_one_range_however_they_are_tied() -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        numbers = np.round(rng.exponential(3, 60), 1).tolist()
        places = [place for some in divide(numbers).parts.values() for place in some]
        assert sorted(places) == list(range(60))


def test_of_many_values_the_most_frequent_are_kept_and_the_rest_counted() -> None:
    found = divide(["often"] * 3 + [f"id {number}" for number in range(50)])
    assert next(iter(found.parts)) == "often"
    assert len(found.parts) == MOST_VALUES
    assert (found.values_left_out, found.samples_left_out) == (31, 31)


def test_a_list_counts_for_each_of_its_elements() -> None:
    assert dict(divide([["x", "y"], ["y", "y"], []]).parts) == {"y": [0, 1], "x": [0], "(none)": [2]}
