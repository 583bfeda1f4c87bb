"""Tool calls: worked examples, the leaderboard's own, and the pairing beside scipy's."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from evalkit.errors import MetricError
from evalkit.json_schema import problems
from evalkit.metrics.pairing import best_pairs
from evalkit.metrics.tool_calls import ToolCalls
from evalkit.records import Generation, Response, Sample
from evalkit.search_path import shipped
from evalkit.tools import definitions, schemas

TOOLS: list[dict[str, Any]] = [
    {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"enum": ["C", "F"], "default": "C"},
                "days": {"type": "integer"},
            },
            "required": ["city"],
        },
    },
    {"name": "stop"},
]
NAMES = ToolCalls.names


def call(called: str, **arguments: Any) -> dict[str, Any]:
    return {"name": called, "arguments": arguments}


def scored(predictions: list[Any], targets: list[Any], **options: Any) -> dict[str, float]:
    """The five values of some answers, None for an unparsed one."""
    tools = options.pop("data", TOOLS)
    samples = [Sample(str(n), {"tools": tools}, target) for n, target in enumerate(targets)]
    generations = [
        Generation(str(n), 0, Response(""), one, None if one is not None else "no JSON")
        for n, one in enumerate(predictions)
    ]
    metric = ToolCalls(**options).bind(samples)
    rows = metric.statistics(generations, samples)
    return dict(zip(metric.names, metric.aggregate(rows, np.ones((1, len(rows))))[0].tolist(), strict=True))


def one(prediction: Any, target: Any, **options: Any) -> dict[str, float]:
    return scored([prediction], [target], **options)


def test_a_worked_example() -> None:
    """Four samples by hand.

    1. Right in every way: F1 1. 2. One of two wanted calls, its unit wrong: of arguments city is right, of
    2 made and 2 + 1 wanted (`stop` counts as one): 2 · 1 / (2 + 3) = 0.4. 3. No call is right and none was
    made. 4. No call is right and an unknown function was called: nothing right of one argument made.
    """
    values = scored(
        [
            [call("weather", city="Oslo")],
            [call("weather", city="Rome", unit="F")],
            [],
            [call("fly", to="Rome")],
        ],
        [
            [call("weather", city="oslo")],
            [call("stop"), call("weather", city="Rome", unit="C")],
            {"calls": []},
            {"calls": []},
        ],
    )
    assert values == pytest.approx(
        {
            "call_name": 2 / 4,
            "call_exact": 2 / 4,
            "call_arguments": (1 + 0.4 + 1 + 0) / 4,
            "call_valid": 2 / 3,
            "no_call": 1 / 2,
        }
    )


def test_without_samples_that_need_no_call_there_is_no_such_share() -> None:
    values = one([call("stop")], [call("stop")])
    assert np.isnan(values["no_call"])
    assert values["call_valid"] == 1.0


def test_without_a_call_there_is_nothing_to_be_valid() -> None:
    values = one([], {"calls": []})
    assert np.isnan(values["call_valid"])
    assert values["call_exact"] == values["call_arguments"] == values["no_call"] == 1.0


def test_an_unparsed_call_is_wrong_in_every_way() -> None:
    assert one(None, {"calls": []}) == dict.fromkeys(NAMES, 0.0)
    values = one(None, [call("stop")])
    assert [values[name] for name in NAMES[:4]] == [0.0] * 4


def test_calls_match_in_any_order_unless_ordered() -> None:
    made = [call("weather", city="Rome"), call("weather", city="Oslo"), call("stop")]
    target = [call("stop"), call("weather", city="Oslo"), call("weather", city="Rome")]
    assert one(made, target)["call_exact"] == 1.0
    ordered = one(made, target, ordered=True)
    assert (ordered["call_exact"], ordered["call_name"]) == (0.0, 0.0)
    assert one(target, target, ordered=True)["call_exact"] == 1.0


def test_a_call_too_many_is_not_exact() -> None:
    values = one([call("stop"), call("stop")], [call("stop")])
    assert (values["call_name"], values["call_exact"]) == (0.0, 0.0)
    assert values["call_arguments"] == pytest.approx(2 / 3)


def test_overlapping_alternatives_are_paired_so_that_all_fit() -> None:
    """Greedy pairing would give Oslo to the first call and leave nothing for the second."""
    target = [
        call("weather", city={"any_of": ["Oslo", "Rome"]}),
        call("weather", city={"any_of": ["Oslo"]}),
    ]
    for made in (["Oslo", "Rome"], ["Rome", "Oslo"]):
        assert one([call("weather", city=name) for name in made], target)["call_exact"] == 1.0
    assert one([call("weather", city="Rome")] * 2, target)["call_exact"] == 0.0


@pytest.mark.parametrize(
    ("given", "wanted", "right"),
    [
        ({"city": "Oslo", "days": 3}, {"city": "Oslo", "days": {"any_of": [2, 3], "optional": True}}, True),
        ({"city": "Oslo"}, {"city": "Oslo", "days": {"any_of": [2, 3], "optional": True}}, True),
        ({"city": "Oslo", "days": 4}, {"city": "Oslo", "days": {"any_of": [2, 3], "optional": True}}, False),
        ({"city": "Oslo", "days": 99}, {"city": "Oslo", "days": {"optional": True}}, True),
        ({"city": "Oslo"}, {"city": "Oslo", "days": {"any_of": [3]}}, False),
        ({"city": "Oslo", "days": 3}, {"city": "Oslo"}, False),
        ({"city": "Oslo", "unit": "C"}, {"city": "Oslo"}, True),  # the schema's default
        ({"city": "Oslo"}, {"city": "Oslo", "unit": "C"}, True),
        ({"city": "Oslo"}, {"city": "Oslo", "unit": "F"}, False),
        ({"city": "Oslo", "days": 3.0}, {"city": "Oslo", "days": 3}, True),
        ({"city": "Oslo", "days": "3"}, {"city": "Oslo", "days": 3}, False),
        ({"city": "Oslo", "days": True}, {"city": "Oslo", "days": 1}, False),
        ({"city": " OSLO\n"}, {"city": "Ｏslo"}, True),
        ({"city": "New-York"}, {"city": "New York"}, False),
    ],
)
def test_arguments_are_right_where_they_are_one_of_the_acceptable(
    given: dict[str, Any], wanted: dict[str, Any], *, right: bool
) -> None:
    values = one([call("weather", **given)], [call("weather", **wanted)])
    assert values["call_exact"] == float(right)
    assert (values["call_arguments"] == 1.0) is right


def test_options_change_what_counts_as_equal() -> None:
    made, target = (
        [call("weather", city="New-York", days="3", unit="C")],
        [call("weather", city="new york", days=3)],
    )
    assert one(made, target, texts="bfcl", numbers="loose")["call_exact"] == 1.0
    assert one(made, target, texts="bfcl")["call_exact"] == 0.0
    assert one(made, target, texts="bfcl", numbers="loose", defaults=False)["call_exact"] == 0.0
    assert (
        one([call("weather", city="oslo")], [call("weather", city="Oslo")], texts="exact")["call_exact"]
        == 0.0
    )


def test_lists_and_objects_are_compared_inside() -> None:
    target = [
        call(
            "f",
            at={"street": "Mill Lane 3", "zip": {"any_of": ["1"], "optional": True}},
            ids=[1, {"any_of": [2, 3]}],
        )
    ]
    right = [call("f", at={"street": "mill lane 3"}, ids=[1, 3])]
    assert one(right, target, tools=None)["call_exact"] == 1.0
    for wrong in (
        call("f", at={"street": "mill lane 3", "floor": 2}, ids=[1, 3]),
        call("f", at={"street": "mill lane 3"}, ids=[3, 1]),
        call("f", at={}, ids=[1, 3]),
        call("f", at=[], ids={}),
    ):
        assert one([wrong], target, tools=None)["call_exact"] == 0.0


# The leaderboard's checks: possible values by argument, "" for what may be left out, texts without spaces and
# punctuation, whole numbers where floats are wanted, dots in names.
POSSIBLE = [{"math.hypot": {"x": [4], "y": [5], "z": ["", 0]}}]
HYPOT = [
    {
        "name": "math.hypot",
        "parameters": {
            "type": "dict",
            "properties": {name: {"type": "float"} for name in "xyz"},
            "required": ["x", "y"],
        },
    }
]


@pytest.mark.parametrize(
    ("made", "right"),
    [
        ([call("math_hypot", x=4, y=5, z=0)], True),
        ([call("math_hypot", x=4, y=5)], True),
        ([call("math.hypot", x=4.0, y=5.0)], True),
        ([call("math_hypot", x=4)], False),
        ([call("math_hypot", x=4, y=5, z=1)], False),
        ([call("math_hypot", x=4, y=5, w=1)], False),
        ([call("hypot", x=4, y=5)], False),
        ([], False),
    ],
)
def test_possible_answers_of_the_leaderboard_are_read_as_they_are(made: Any, *, right: bool) -> None:
    assert one(made, POSSIBLE, data=HYPOT, texts="bfcl")["call_exact"] == float(right)


@pytest.mark.parametrize(
    ("text", "right"), [("April 1,2024", True), ("april 1 2024", True), ("2024-04-01", False)]
)
def test_texts_are_compared_as_the_leaderboard_does(text: str, *, right: bool) -> None:
    """`standardize_string`'s own example: April 1, 2024 and April 1,2024 and April 1 2024 are one."""
    target = [{"f": {"day": ["April 1, 2024"], "to": [{"name": ["A. B."], "note": ["", "x"]}]}}]
    assert (
        one([call("f", day=text, to={"name": "ab"})], target, tools=None, texts="bfcl")["call_exact"] == right
    )


def test_targets_and_predictions_may_be_json_text() -> None:
    """As recorded outputs and xLAM's answers are."""
    text = json.dumps([call("weather", city="Oslo")])
    assert one(text, text, data=json.dumps(TOOLS))["call_exact"] == 1.0
    assert one("It is sunny.", text)["call_exact"] == 0.0


@pytest.mark.parametrize(
    "target", [None, "Oslo", [3], [{"name": 3}], {"calls": "none"}, [{"name": "f", "arguments": 3}]]
)
def test_a_target_that_holds_no_calls_is_refused_by_sample(target: Any) -> None:
    with pytest.raises(MetricError, match='the target of sample "0" must be a list of'):
        one([], target)


def test_missing_and_broken_tools_are_refused_by_sample() -> None:
    sample = Sample("0", {}, [call("f")])
    with pytest.raises(MetricError, match='sample "0" has no field "tools"'):
        ToolCalls().bind([sample])
    with pytest.raises(MetricError, match='sample "0": tools: the text is no JSON'):
        ToolCalls().bind([Sample("0", {"tools": "?"}, [call("f")])])
    ToolCalls(tools=None).bind([sample])


def test_definitions_may_stand_in_the_settings() -> None:
    metric = ToolCalls(tools=TOOLS)
    sample = Sample("0", {}, [call("stop")])
    rows = metric.bind([sample]).statistics([Generation("0", 0, Response(""), [call("stop", x=1)])], [sample])
    assert rows[0].tolist() == [1, 0, 0, 1, 1, 0, 0, 1]  # `stop` says nothing against further arguments
    json.dumps(metric.options)


def test_why_is_said_with_what_the_schema_says() -> None:
    sample = Sample("0", {"tools": TOOLS}, [call("weather", city="Oslo")])
    said = ToolCalls().explain(Generation("0", 0, Response(""), [call("weather", city=3)]), sample)
    assert said == 'called weather(city=3), wanted weather(city="Oslo"); weather: $.city: 3 is no string'
    assert "called nothing" in ToolCalls().explain(Generation("0", 0, Response("Hi"), []), sample)
    broken = Generation("0", 0, Response(""), None, "tool_calls: the arguments of f are no JSON")
    assert "no JSON" in ToolCalls().explain(broken, sample)


def test_bounds_enclose_every_row() -> None:
    targets: list[Any] = [[call("weather", city="Oslo")], {"calls": []}]
    for target in targets:
        sample = Sample("0", {"tools": TOOLS}, target)
        metric = ToolCalls()
        low, high = metric.bounds(sample)
        worst, best = (metric.aggregate(one[np.newaxis], np.ones((1, 1)))[0] for one in (low, high))
        for made in ([], [call("weather", city="Oslo")], [call("stop")], None):
            row = metric.statistics([Generation("0", 0, Response(""), made)], [sample])
            values = metric.aggregate(row, np.ones((1, 1)))[0]
            known = ~np.isnan(values)
            assert (worst[known] <= values[known]).all()
            assert (values[known] <= best[known]).all()


def test_signature_names_every_option() -> None:
    assert ToolCalls().signature == "texts:fold|numbers:exact|order:any|defaults:yes|schemas:yes"
    other = ToolCalls(texts="bfcl", numbers="loose", ordered=True, defaults=False, tools=None)
    assert other.signature == "texts:bfcl|numbers:loose|order:same|defaults:no|schemas:no"
    with pytest.raises(MetricError, match='unknown texts "folds" \\(did you mean "fold"\\?\\)'):
        ToolCalls(texts="folds")


def test_best_pairs_weigh_as_much_as_scipys() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        weights = rng.integers(0, 6, tuple(rng.integers(1, 7, 2))).astype(float)
        pairs = best_pairs(weights)
        assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == min(weights.shape)
        assert (
            sum(weights[at] for at in pairs) == weights[linear_sum_assignment(weights, maximize=True)].sum()
        )


def test_the_benchmarks_targets_are_valid_calls_of_its_tools() -> None:
    lines = (shipped("benchmarks") / "tool_use" / "data.jsonl").read_text("utf-8").splitlines()
    assert len(lines) >= 30
    for line in lines:
        row = json.loads(line)
        known = schemas(definitions(row["tools"]))
        wanted = row["target"] if isinstance(row["target"], list) else row["target"]["calls"]
        assert (not wanted) == (row["category"] == "none" or row["id"] == "tool_use-035")
        for target in wanted:
            plain = {
                name: value["any_of"][0] if isinstance(value, dict) and "any_of" in value else value
                for name, value in target["arguments"].items()
                if value != {"optional": True}
            }
            assert not list(problems(plain, known[target["name"]])), row["id"]
