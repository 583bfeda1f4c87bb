from __future__ import annotations

import ast
import json
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from metrics.material import generation, samples, values_of

from evalkit.errors import ConfigError, MetricError
from evalkit.metrics.numeric_match import NumericMatch, whole_number
from evalkit.postprocess import Unparsed
from evalkit.postprocess.number import Number
from evalkit.search_path import shipped


def matches(answer: Any, target: Any, **options: Any) -> bool:
    return values_of(NumericMatch(**options), [answer], [target])["numeric_match"] == 1.0


@pytest.mark.parametrize(
    "answer", ["42", "42.0", "42.00", "#### 42", "So it is $42.", "84/2", "4.2e1", "４２"]
)
def test_spellings_of_a_number_are_equal(answer: str) -> None:
    assert matches(answer, "6 * 7 = <<6*7=42>>42\n#### 42")
    assert not matches(answer, "#### 43")


def test_any_reference_may_match() -> None:
    assert matches("0.5", ["1/3", "1/2"])
    assert not matches("0.3", ["1/3", "1/2"])


def test_tolerances_are_inclusive() -> None:
    assert not matches("0.33", "1/3")
    assert matches("0.33", "1/3", absolute=0.005)
    assert matches("98", "100", relative=0.02)
    assert not matches("97.9", "100", relative=0.02)


def test_percent_is_the_number_or_a_fraction() -> None:
    assert matches("35%", "35")
    assert not matches("35%", "0.35")
    assert matches("35%", "0.35", percent="fraction")


def test_trials_are_averaged_and_unparsed_is_wrong() -> None:
    asked = samples(["5", "6"])
    metric = NumericMatch().bind(asked)
    rows = metric.statistics([generation("5"), generation(None)], [asked[0], asked[0]])
    assert rows.tolist() == [[1.0, 1.0], [0.0, 1.0]]
    assert metric.aggregate(metric.combine(rows)[np.newaxis], np.ones((1, 1)))[0, 0] == 0.5
    worst, best = metric.bounds(asked[0])
    assert (worst.tolist(), best.tolist()) == ([0.0, 1.0], [1.0, 1.0])


def test_zero_is_a_number() -> None:
    assert matches("0", "0.0", symbolic=True)
    assert matches("0", "0.0")
    assert not matches("nothing", "0")


def test_a_target_without_a_number_is_named() -> None:
    with pytest.raises(MetricError, match=r'the target of sample "1" holds no number .*symbolic=true'):
        NumericMatch().bind(samples(["5", "none"]))
    with pytest.raises(MetricError, match="tolerances, at least 0"):
        NumericMatch(absolute=-1.0)


def test_explain_shows_what_was_read() -> None:
    (sample,) = samples(["#### 7"])
    assert NumericMatch().explain(generation("so 3 and 4.50"), sample) == "read 4.5, target 7"
    assert NumericMatch().explain(generation(None), sample) == "no number (no answer found), target 7"


# Pairs that Hendrycks et al. 2021 call equal or not (what math_equivalence.py comments on), and more.
@pytest.mark.parametrize(
    ("answer", "target", "equal"),
    [
        (r"\boxed{\tfrac{3}{4}}", r"\frac34", True),
        (r"\boxed{0.5}", r"\frac{1}{2}", True),
        (r"\boxed{a/b}", r"\frac{a}{b}", True),
        (r"\boxed{ \left( 1, \pi \right) }", r"(1,\pi)", True),
        (r"\boxed{\sqrt3}", r"\sqrt{3}", True),
        (r"\boxed{x = 5}", "5", True),
        (r"\boxed{90^\circ}", "90", True),
        (r"\boxed{10\text{ cm}}", "10", True),
        (r"\boxed{1,000}", r"1{,}000", True),
        (r"\boxed{x+1}", "1+x", False),
        (r"\boxed{2x}", "2", False),
        (r"\boxed{-\frac{1}{3}}", r"\frac{-1}{3}", True),
        ("The answer is $\\sqrt{2}$", r"\sqrt{2}", True),
        (r"\boxed{\text{odd}}", r"\text{odd}", True),
    ],
)
def test_symbolic_answers_compare_as_latex(answer: str, target: str, *, equal: bool) -> None:
    assert matches(answer, target, symbolic=True) == equal


def test_a_whole_number_has_nothing_but_units_beside_it() -> None:
    assert whole_number("$12.50") == Fraction("12.5")
    assert whole_number(r"12\text{ m}") == 12
    assert whole_number("2x") is None
    assert whole_number("(1, 2)") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [("He pays $1,200.50.", "1200.5"), ("#### 1/3", "1/3"), ("x = -4", "-4"), ("one", None)],
)
def test_the_step_keeps_the_number(text: str, number: str | None) -> None:
    if number is None:
        with pytest.raises(Unparsed, match="no number"):
            Number()(text)
    else:
        assert Number()(text) == number


def test_the_step_keeps_symbols_when_asked_to() -> None:
    step = Number(symbolic=True)
    assert step("Work.\nSo \\boxed{(1,\\pi)}") == "(1,\\pi)"
    assert step("x+1") == "x+1"
    assert step("Work with 3.\nIt gives 12 apples.") == "12"
    assert Number(decimal="comma")("1.234,5") == "1234.5"
    assert Number(percent="fraction")("50%") == "0.5"
    with pytest.raises(ConfigError, match="decimal is point or comma, not 'dot'"):
        Number(decimal="dot")
    with pytest.raises(ConfigError, match="percent is ignore or fraction"):
        Number(percent="yes")


def computed(text: str) -> Fraction:
    operators: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction]] = {
        ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
    }  # fmt: skip

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.Constant):
            return Fraction(str(node.value))
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        assert isinstance(node, ast.BinOp)
        return operators[type(node.op)](value(node.left), value(node.right))

    return value(ast.parse(text, mode="eval").body)


def test_every_answer_of_the_benchmark_is_what_its_calculation_gives() -> None:
    lines = (shipped("benchmarks") / "math" / "data.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len({row["question"] for row in rows}) == len(rows) == 42
    for row in rows:
        assert computed(row["calculation"]) == Fraction(row["answer"]), row["id"]
