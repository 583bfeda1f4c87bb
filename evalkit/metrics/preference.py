"""How often a judge prefers the candidate's answer, and what its verdicts owe to order and length.

Verdicts are "A" (the baseline's answer), "B" (the candidate's) or "tie", as the post-processing step
`preference` gives them; `task.vary.swap` has every second trial show the answers in the other order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from evalkit.errors import MetricError, did_you_mean
from evalkit.later import np
from evalkit.metrics.base import JudgeMetric, options_text
from evalkit.records import Generation, Sample

if TYPE_CHECKING:
    from evalkit.metrics.base import FloatArray

TIE = "tie"
POINTS = {"A": 0.0, TIE: 0.5, "B": 1.0}
UNPARSED = -1.0
RULES = ("average", TIE)
ROUNDING = 1e-12


class Preference(JudgeMetric):
    """Win rate of B over A in [0, 1], a tie counting half; shares of wins and ties; consistency.

    `inconsistent` says what becomes of a sample whose orders disagree: `average` counts each verdict for its
    share, `tie` is the conservative rule of MT-bench (Zheng et al. 2023, section 3.4): a win must be won in
    every order. `consistency` is the share of samples whose orders all gave the same verdict; NaN where a
    sample has one verdict alone. A verdict that could not be read is a tie, and consistent with nothing:
    counted as wrong it would favour A, and exchanging A and B must give one minus the win rate.
    """

    names: tuple[str, ...] = ("win_rate", "wins", "ties", "consistency")
    null: ClassVar[Mapping[str, float]] = {"win_rate": 0.5}

    def __init__(
        self, *, inconsistent: str = "average", judge: str | None = None, prompt: str | None = None
    ) -> None:
        if inconsistent not in RULES:
            raise MetricError(
                f'metrics.preference.inconsistent="{inconsistent}"{did_you_mean(inconsistent, RULES)}: '
                f"{' or '.join(RULES)}"
            )
        self.inconsistent, self.judge, self.prompt = inconsistent, judge, prompt

    @property
    def signature(self) -> str:
        """For example `inconsistent:tie|judge:gpt-4o|prompt:5c1de0a9f24b`."""
        return f"{options_text({'inconsistent': self.inconsistent})}|{self.judged}"

    @property
    def headline(self) -> tuple[str, ...]:
        """The win rate."""
        return self.names[:1]

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:  # noqa: ARG002
        """Return (n, 6): points, win, tie, verdict, 0, count; `combine` makes consistency of the fourth."""
        rows = np.zeros((len(generations), 6))
        for row, generation in zip(rows, generations, strict=True):
            code = verdict_of(generation)
            points = 0.5 if code == UNPARSED else code
            row[:] = points, points == 1.0, points == 0.5, code, 0.0, 1.0  # noqa: PLR2004
        return rows

    def combine(self, trials: FloatArray) -> FloatArray:
        """Reduce a sample's (t, 6) verdicts to points, win, tie, consistent, whether that is known, count."""
        points, codes = trials[:, 0], trials[:, 3]
        agree = bool((codes == codes[0]).all()) and codes[0] != UNPARSED
        if self.inconsistent == TIE:
            won, lost = bool((points == 1.0).all()), bool((points == 0.0).all())
            shares = (0.5 * (1 + won - lost), won, not (won or lost))
        else:
            shares = tuple(trials[:, :3].mean(axis=0))
        several = len(trials) > 1
        return np.array([*shares, agree and several, several, 1.0], dtype=np.float64)

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide by the number of samples, and of those with several verdicts."""
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = sums[:, :3] / sums[:, 5:6]
            consistency = np.where(sums[:, 4:5] > 0, sums[:, 3:4] / sums[:, 4:5], np.nan)
        return np.concatenate([shares, consistency], axis=1)

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:  # noqa: ARG002
        """Lost or won in every order."""
        return np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), np.array([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])

    def explain(self, generation: Generation, sample: Sample) -> str:
        """For example `the judge prefers B, which was shown first`."""
        code = verdict_of(generation)
        if code == UNPARSED:
            return f"no verdict found ({generation.unparsed})"
        if code == POINTS[TIE]:
            return "the judge sees a tie"
        where = "first" if swapped(sample) == (code == POINTS["B"]) else "second"
        return f"the judge prefers {generation.text}, which was shown {where}"


class Losses(Preference):
    """Share of samples in [0, 1] in which A is preferred: what wins and ties leave."""

    names = ("losses",)
    null: ClassVar[Mapping[str, float]] = {}
    higher_is_better: ClassVar[bool] = False

    def finish(self, sums: FloatArray) -> FloatArray:
        """Take wins and ties from one."""
        shares = super().finish(sums)
        return 1.0 - shares[:, 1:2] - shares[:, 2:3]

    def bounds(self, sample: Sample) -> tuple[FloatArray, FloatArray]:
        """Won or lost in every order."""
        worst, best = super().bounds(sample)
        return worst, best


class JudgeBias(JudgeMetric):
    """What a judge's verdicts owe to where an answer stands, and to its length.

    `position_bias` is the share, in [0, 1], of decided verdicts for the answer that was shown first: 0.5 is
    none, and above it the first is favoured (Zheng et al. 2023, section 3.3; Wang et al. 2023, arXiv
    2305.17926). It says that alone where each sample was judged in both orders. `length_bias` is Pearson's
    correlation, in [-1, 1], of the verdict for B (1, a tie 0.5) with how many characters B has more than A;
    longer answers may be better ones, so it is a sign and no proof. NaN without decided verdicts, or without
    differences.
    """

    names = ("position_bias", "length_bias")
    higher_is_better: ClassVar[bool] = False

    def __init__(self, *, judge: str | None = None, prompt: str | None = None) -> None:
        self.judge, self.prompt = judge, prompt

    @property
    def signature(self) -> str:
        """For example `length:characters|judge:gpt-4o|prompt:5c1de0a9f24b`."""
        return f"{options_text({'length': 'characters'})}|{self.judged}"

    @property
    def headline(self) -> tuple[str, ...]:
        """Nothing that a gate should look at by itself."""
        return ()

    def statistics(self, generations: Sequence[Generation], samples: Sequence[Sample]) -> FloatArray:
        """Return (n, 8): first preferred, decided; then sums of x, y, xx, yy, xy and count.

        x is the verdict for B, y how many thousand characters B has more.
        """
        rows = np.zeros((len(generations), 8))
        for row, generation, sample in zip(rows, generations, samples, strict=True):
            code = verdict_of(generation)
            if code == UNPARSED:
                continue
            if code != POINTS[TIE]:
                row[:2] = swapped(sample) == (code == POINTS["B"]), 1.0
            x, y = code, _longer(sample) / 1000
            row[2:] = x, y, x * x, y * y, x * y, 1.0
        return rows

    def finish(self, sums: FloatArray) -> FloatArray:
        """Divide, and correlate."""
        first, decided, x, y, xx, yy, xy, n = sums.T
        with np.errstate(divide="ignore", invalid="ignore"):
            variances = (xx - x * x / n) * (yy - y * y / n)
            # What is left of equal numbers after rounding is no variance.
            known = (xx - x * x / n > ROUNDING * n) & (yy - y * y / n > ROUNDING * (1 + yy))
            correlation = np.where(known, (xy - x * y / n) / np.sqrt(np.where(known, variances, 1.0)), np.nan)
            return np.stack([first / decided, np.clip(correlation, -1.0, 1.0)], axis=1)


def verdict_of(generation: Generation) -> float:
    """Return the points of B by a verdict, UNPARSED where there is none."""
    return POINTS.get(generation.text or "", UNPARSED)


def swapped(sample: Sample) -> bool:
    """Whether B was shown first."""
    return bool(sample.added.get("swapped", False))


def _longer(sample: Sample) -> int:
    """Return how many characters B's answer has more than A's."""
    first, second = (len(str(sample.fields.get(name, ""))) for name in ("output_a", "output_b"))
    return first - second if swapped(sample) else second - first
