"""The pytest plugin: gates as tests.

    def test_sentiment_prompt(evalkit):
        evalkit.gate("sentiment", baseline="main", overrides=["model=gpt-4o"])

Inert unless the fixture is used: nothing of evalkit is imported before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from evalkit.comparison.base import MetricComparison


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
    """What the `evalkit` fixture gives: runs a task and gates it; every gated metric is a test of its own."""

    def __init__(self, node: pytest.Item) -> None:
        self._node = node
        self._results_dir = Path(node.config.getoption("--evalkit-results"))
        self._cache: str | None = node.config.getoption("--evalkit-cache")

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
        from evalkit.comparison.publication import publication_of
        from evalkit.config.compose import load
        from evalkit.errors import EvalkitError
        from evalkit.evaluation import evaluate
        from evalkit.gating import gate
        from evalkit.report.renderers.markdown import render

        cache = [f"cache={self._cache}"] if self._cache else []
        settings = [f"task={task}", f"gate={policy}", *cache, f"results_dir={self._results_dir}", *overrides]
        try:
            config = load(settings)
            finished = evaluate(config)
            if finished.stopped is not None:
                raise finished.stopped
            done = gate(str(finished.folder), baseline, self._results_dir, config.gate)
        except EvalkitError as error:
            pytest.fail(f"evalkit: {error}", pytrace=False)
        for case in done.comparison.cases:
            for one in case.metrics:
                if one.gated:
                    self._report(f"{case.case} {one.metric}", one)
        if done.result.code:
            reasons = "\n".join(done.result.reasons)
            table = render(publication_of(done.comparison))
            pytest.fail(
                f"{done.result.verdict} (exit {done.result.code})\n{reasons}\n\n{table}",
                pytrace=False,
            )

    def _report(self, name: str, one: MetricComparison) -> None:
        """Log a test for one metric beside the test that asked, so that JUnit readers see each."""
        from evalkit.comparison.base import Verdict

        bad = one.verdict in {Verdict.REGRESSED, Verdict.INVALID}
        path, line, test = self._node.location
        for when in ("call", "teardown"):
            self._node.ihook.pytest_runtest_logreport(
                report=pytest.TestReport(
                    nodeid=f"{self._node.nodeid}[{name}]",
                    location=(path, line, f"{test}[{name}]"),
                    keywords={},
                    outcome="failed" if bad and when == "call" else "passed",
                    longrepr=f"{_numbers(one)}\n{one.reason}" if bad and when == "call" else None,
                    when=when,
                )
            )


@pytest.fixture
def evalkit(request: pytest.FixtureRequest) -> Gates:
    """Gates as assertions: `evalkit.gate("sentiment", baseline="main")`."""
    return Gates(request.node)


def _numbers(one: MetricComparison) -> str:
    effect = one.effect
    assert effect is not None
    return (
        f"{one.verdict}: {effect.baseline:.6g} to {effect.candidate:.6g}, "
        f"difference {effect.difference:+.4g} [{effect.low:+.4g}, {effect.high:+.4g}], "
        f"p {effect.p_value:.4g}, n {effect.n}"
    )
