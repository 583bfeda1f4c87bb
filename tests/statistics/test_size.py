"""Simulated comparisons without a difference: small versions of benchmarks/statistics/size.py, fixed seeds.

A test at 5% rejects 400 such comparisons 20 times give or take 4.4 (binomial); three of those are allowed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from evalkit.statistics.discordance import mcnemar_power
from evalkit.statistics.paired import paired_bootstrap
from evalkit.statistics.power import mean_power, sd_from_se
from evalkit.statistics.proportions import mcnemar
from evalkit.statistics.randomisation import approximate_randomisation, sign_flip
from evalkit.statistics.studentised import studentised

if TYPE_CHECKING:
    from numpy.random import Generator
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

COMPARISONS = 400
SLACK = 3 * math.sqrt(0.05 * 0.95 / COMPARISONS)


def rate(one: Callable[[Generator, int], float]) -> float:
    rng = np.random.default_rng(20241101)
    return float(np.mean([one(rng, number) <= 0.05 for number in range(COMPARISONS)]))


def documents(rng: Generator) -> tuple[FloatArray, NDArray[np.intp]]:
    """40 documents of 5 questions, ICC 0.4."""
    groups = np.repeat(np.arange(40), 5)
    return rng.normal(size=40)[groups] * math.sqrt(0.4) + rng.normal(size=200) * math.sqrt(0.6), groups


def test_mcnemar_mid_p_on_a_stochastic_model() -> None:
    def one(rng: Generator, _: int) -> float:
        ability = rng.beta(1.2, 0.5, size=100)
        first, second = rng.random(100) < ability, rng.random(100) < ability
        return mcnemar(int(np.sum(first & ~second)), int(np.sum(second & ~first))).p_value

    assert rate(one) < 0.05 + SLACK  # discrete: it may lie lower


def test_sign_flip_on_exchangeable_scores() -> None:
    def one(rng: Generator, seed: int) -> float:
        differences = rng.beta(2, 1, 200) - rng.beta(2, 1, 200)
        return float(sign_flip(differences, resamples=399, seed=seed).p_value[0])

    assert rate(one) == pytest.approx(0.05, abs=SLACK)


def test_randomisation_and_bootstrap_of_corpus_bleu(translate: Callable[..., Any]) -> None:
    made = translate(1600, (0.12, 0.12), 5)

    def segments(rng: Generator) -> tuple[FloatArray, FloatArray]:
        chosen, side = rng.integers(0, 1600, 200), rng.integers(0, 2, (200, 1)) == 0
        first, second = (rows[chosen] for rows in made.rows)
        return np.where(side, first, second), np.where(side, second, first)

    def swaps(rng: Generator, seed: int) -> float:
        found = approximate_randomisation(made.aggregate, *segments(rng), resamples=399, seed=seed)
        return float(found.p_value[0])

    def boot(rng: Generator, seed: int) -> float:
        found = paired_bootstrap(made.aggregate, *segments(rng), resamples=399, seed=seed)
        return float(found.p_two_sided()[0])

    assert rate(swaps) == pytest.approx(0.05, abs=SLACK)
    assert rate(boot) == pytest.approx(0.05, abs=SLACK)


def test_groups_keep_the_size_that_ignoring_them_loses() -> None:
    def flips(rng: Generator, seed: int) -> float:
        differences, groups = documents(rng)
        return float(sign_flip(differences, resamples=399, seed=seed, groups=groups).p_value[0])

    def boot_t(rng: Generator, seed: int) -> float:
        differences, groups = documents(rng)
        return studentised(differences, resamples=399, seed=seed, groups=groups).p_two_sided()

    def naive(rng: Generator, seed: int) -> float:
        return float(sign_flip(documents(rng)[0], resamples=399, seed=seed).p_value[0])

    assert rate(flips) == pytest.approx(0.05, abs=SLACK)
    assert rate(boot_t) == pytest.approx(0.05, abs=SLACK)
    assert rate(naive) > 0.15  # the normal approximation says 22%


@pytest.mark.parametrize("shape", ["80/20", "exponential", "lognormal"])
def test_bootstrap_t_under_skewness(shape: str) -> None:
    draw: Callable[[Generator], FloatArray] = {
        "80/20": lambda rng: np.where(rng.random(200) < 0.8, 0.05, -0.2),
        "exponential": lambda rng: rng.exponential(size=200) - 1.0,
        "lognormal": lambda rng: rng.lognormal(size=200) - math.exp(0.5),
    }[shape]

    def one(rng: Generator, seed: int) -> float:
        return studentised(draw(rng), resamples=399, seed=seed).p_two_sided()

    assert rate(one) <= 0.05 + SLACK


def test_power_is_as_planned() -> None:
    """n = 500; planned and found agree within three standard errors of 400 comparisons (7 points)."""

    def binary(rng: Generator, _: int) -> float:
        kind = rng.choice(3, size=500, p=(0.10, 0.06, 0.84))
        return mcnemar(int(np.sum(kind == 0)), int(np.sum(kind == 1))).p_value

    def flips(rng: Generator, seed: int) -> float:
        return float(sign_flip(rng.normal(-0.12, 1.0, 500), resamples=399, seed=seed).p_value[0])

    slack = 3 * math.sqrt(0.25 / COMPARISONS)
    assert rate(binary) == pytest.approx(mcnemar_power(0.10, 0.06, 500), abs=slack)
    assert rate(flips) == pytest.approx(mean_power(0.12, 1.0, 500), abs=slack)


def test_power_of_a_corpus_metric_is_as_planned(translate: Callable[..., Any]) -> None:
    """Planned from the bootstrap error of 400 segments, found on 500."""
    made = translate(8000, (0.12, 0.13), 6)
    ones = np.ones((1, 8000))
    effect = float((made.aggregate(made.rows[1], ones) - made.aggregate(made.rows[0], ones))[0, 0])
    pilot = paired_bootstrap(made.aggregate, *(rows[:400] for rows in made.rows), resamples=999, seed=0)
    planned = mean_power(effect, sd_from_se(float(pilot.se[0]), 400), 500)

    def swaps(rng: Generator, seed: int) -> float:
        chosen = rng.integers(0, 8000, 500)
        rows = [side[chosen] for side in made.rows]
        found = approximate_randomisation(made.aggregate, rows[0], rows[1], resamples=399, seed=seed)
        return float(found.p_value[0])

    assert 0.1 < planned < 0.95
    assert rate(swaps) == pytest.approx(planned, abs=3 * math.sqrt(0.25 / COMPARISONS))
