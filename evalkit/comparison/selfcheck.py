"""An A/A experiment: how often would the gate cry wolf on this task, with nothing changed?

Every sample was answered several times by the same model and prompt. Each round draws samples with
replacement (whole groups where there are groups) and, for each, two different trials: one plays the baseline,
the other the candidate. The share of rounds that are REGRESSED is the false-alarm rate; the spread of the
differences is the noise floor.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from evalkit.comparison.base import Effect, Family, Side, Verdict
from evalkit.comparison.effect import Level, Pairs, effects
from evalkit.comparison.judging import gated_names
from evalkit.comparison.policy import Policy, judge
from evalkit.comparison.side import is_per_sample, metric_of
from evalkit.errors import UsageError
from evalkit.report.write import write_text
from evalkit.statistics.bootstrap import wilson_interval
from evalkit.statistics.cluster import number_groups
from evalkit.statistics.multiple import holm

if TYPE_CHECKING:
    from collections.abc import Iterator

SELFCHECK = "selfcheck.json"
RESAMPLES = 999  # of each test inside a round: enough for a verdict at 5%


@dataclass(frozen=True)
class Noise:
    """The differences of one metric with nothing changed, in its own unit."""

    metric: str
    sd: float
    p95: float
    """95% of absolute differences are at most this."""


@dataclass(frozen=True)
class SelfCheck:
    """What the A/A experiment found; `low` and `high` are the 95% Wilson interval of the rate."""

    case: str
    rounds: int
    alarms: int
    low: float
    high: float
    trials: int
    n: int
    alpha: float
    noise: Sequence[Noise]

    @property
    def rate(self) -> float:
        """Share of rounds in which some gated metric was REGRESSED."""
        return self.alarms / self.rounds

    @property
    def sentence(self) -> str:
        """What a gate's output quotes."""
        return (
            f"with nothing changed this gate reported a regression in {self.alarms} of {self.rounds} rounds "
            f"({self.rate:.1%}, 95% interval {self.low:.1%} to {self.high:.1%}; nominal {self.alpha:.0%})"
        )


def selfcheck(side: Side, policy: Policy, *, rounds: int, seed: int) -> SelfCheck:
    """Run the experiment on one side with at least two answered trials a sample; UsageError otherwise."""
    experiment = _Experiment.of(side, policy)
    rng = np.random.default_rng(seed)
    alarms = 0
    differences: dict[str, list[float]] = {}
    for number in range(rounds):
        found = list(experiment.round(rng, Level(policy.alpha, RESAMPLES, seed + number)))
        for name, _, effect in found:
            differences.setdefault(name, []).append(effect.difference)
        alarms += _alarm(found, policy)
    low, high = wilson_interval(alarms, rounds, 0.95)
    return SelfCheck(
        case=side.case,
        rounds=rounds,
        alarms=alarms,
        low=low,
        high=high,
        trials=min(_trials(side, name) for name in experiment.names),
        n=len(experiment.names),
        alpha=policy.alpha,
        noise=[
            Noise(name, float(np.std(some)), float(np.quantile(np.abs(some), 0.95)))
            for name, some in differences.items()
        ],
    )


@dataclass(frozen=True)
class _Experiment:
    """The samples with several trials, in units (groups, or samples) that are drawn as wholes."""

    side: Side
    names: Sequence[str]
    units: Sequence[Sequence[int]]
    gated: Sequence[tuple[Family, tuple[str, ...]]]

    @classmethod
    def of(cls, side: Side, policy: Policy) -> Self:
        names = [name for name in side.samples if _trials(side, name) > 1]
        if not names:
            raise UsageError(
                f"{side.label}: a self-check needs several trials of each sample; run with trials=4"
            )
        groups = number_groups([side.samples[name].group for name in names])
        members: dict[int, list[int]] = {}
        for place, unit in enumerate(range(len(names)) if groups is None else groups.tolist()):
            members.setdefault(unit, []).append(place)
        gated = [
            (family, gated_names(family, policy))
            for family in side.families.values()
            if is_per_sample(family)
        ]
        return cls(side, names, list(members.values()), gated)

    def round(self, rng: np.random.Generator, level: Level) -> Iterator[tuple[str, Family, Effect]]:
        """Yield the effect of each gated value between two draws of the same answers."""
        draws = rng.integers(0, len(self.units), size=len(self.units)).tolist()
        # A unit drawn twice comes as two units: they are independent copies.
        drawn = [(self.names[place], copy) for copy, unit in enumerate(draws) for place in self.units[unit]]
        picks = [rng.choice(_trials(self.side, name), size=2, replace=False) for name, _ in drawn]
        copies = np.array([copy for _, copy in drawn]) if len(self.units) < len(self.names) else None
        for family, wanted in self.gated:
            metric = metric_of(family)
            rows = [self.side.samples[name].rows[family.name] for name, _ in drawn]
            before, after = (
                np.stack([metric.combine(one[[pick[which]]]) for one, pick in zip(rows, picks, strict=True)])
                for which in (0, 1)
            )
            pairs = Pairs(before, after, copies, single_trial=True)
            for name, effect in zip(family.names, effects(metric, pairs, level), strict=True):
                if name in wanted:
                    yield name, family, effect


def write_selfcheck(found: SelfCheck, folder: Path) -> Path:
    """Keep a result beside a baseline."""
    path = folder / found.case / SELFCHECK
    write_text(path, json.dumps(asdict(found), indent=2, sort_keys=True) + "\n")
    return path


def read_selfcheck(case: str, folder: Path) -> SelfCheck | None:
    """Read a kept result; None when there is none, or it cannot be read."""
    try:
        data = json.loads((folder / case / SELFCHECK).read_text("utf-8"))
        return SelfCheck(**{**data, "noise": [Noise(**one) for one in data["noise"]]})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _trials(side: Side, name: str) -> int:
    return max((len(rows) for rows in side.samples[name].rows.values()), default=0)


def _alarm(found: Sequence[tuple[str, Family, Effect]], policy: Policy) -> bool:
    worse = holm(np.array([effect.p_worse for _, _, effect in found]))
    better = holm(np.array([effect.p_better for _, _, effect in found]))
    verdicts = [
        judge(
            effect,
            policy,
            policy.margin_of(name, family, effect),
            maximum=family.maximum,
            unit=family.unit,
            better=family.higher_is_better,
            adjusted=(float(p), float(q)),
        ).verdict
        for (name, family, effect), p, q in zip(found, worse, better, strict=True)
    ]
    return Verdict.REGRESSED in verdicts
