"""The pytest plugin: gates as tests.

    def test_sentiment_prompt(evalkit):
        evalkit.gate("sentiment", baseline="main", overrides=["model=gpt-4o"])

Inert unless the fixture is used: nothing of evalkit is imported before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalkit.compare.base import MetricComparison


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the gates."""
    group = parser.getgroup("evalkit", "evaluation gates")
    group.addoption(
        "--evalkit-cache",
        choices=("rw", "refresh", "replay", "off"),
        help="how the gates' runs use the answer cache; replay sends nothing",
    )
    group.addoption(
        "--evalkit-results", default="results", help="evalkit's results folder (default: results)"
    )


class Gates:
    """What the `evalkit` fixture gives: runs a task and gates it, one subtest-like record a metric."""

    def __init__(self, results_dir: Path, cache: str | None, record: Any) -> None:
        self._results_dir = results_dir
        self._cache = cache
        self._record = record

    def gate(
        self,
        task: str,
        *,
        baseline: str = "main",
        overrides: Sequence[str] = (),
        policy: str = "no_regression",
    ) -> None:
        """Run a task, compare it with the baseline, and fail with the numbers when the gate does.

        Settings of the gate are overrides too: "gate.margins={accuracy: 0.02}". A missing baseline fails.
        """
        __tracebackhide__ = True
        from evalkit.compare.render import markdown
        from evalkit.config.compose import load
        from evalkit.errors import EvalkitError
        from evalkit.evaluation import evaluate
        from evalkit.gating import gate

        cache = [f"cache={self._cache}"] if self._cache else []
        settings = [f"task={task}", f"gate={policy}", *cache, f"results_dir={self._results_dir}", *overrides]
        try:
            config = load(settings)
            folder = evaluate(config).folder
            done = gate(str(folder), baseline, self._results_dir, config.gate)
        except EvalkitError as error:
            pytest.fail(f"evalkit: {error}", pytrace=False)
        for case in done.comparison.cases:
            for one in case.metrics:
                if one.gated:
                    self._record(f"{case.case} {one.metric}", _numbers(one))
        if done.result.code:
            reasons = "\n".join(done.result.reasons)
            pytest.fail(
                f"{done.result.verdict} (exit {done.result.code})\n{reasons}\n\n{markdown(done.comparison)}",
                pytrace=False,
            )


@pytest.fixture
def evalkit(request: pytest.FixtureRequest, record_property: Any) -> Gates:
    """Gates as assertions: `evalkit.gate("sentiment", baseline="main")`; numbers go into the JUnit report."""
    return Gates(
        Path(request.config.getoption("--evalkit-results")),
        request.config.getoption("--evalkit-cache"),
        record_property,
    )


def _numbers(one: MetricComparison) -> str:
    effect = one.effect
    assert effect is not None
    return (
        f"{one.verdict}: {effect.baseline:.6g} to {effect.candidate:.6g}, "
        f"difference {effect.difference:+.4g} [{effect.low:+.4g}, {effect.high:+.4g}], "
        f"p {effect.p_value:.4g}, n {effect.n}"
    )
