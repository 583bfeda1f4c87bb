"""What the planner predicts and what the tests find: comparisons of n = 500 with a known difference.

python benchmarks/statistics/power.py [--comparisons 2000] [--resamples 1999]
"""

import argparse
from collections.abc import Callable, Iterator

import numpy as np
from material import FloatArray
from numpy.random import Generator
from size import METRIC, Simulation, corpus_test, documents, mid_p

from evalkit.statistics.cluster import clustered_mean
from evalkit.statistics.discordance import mcnemar_power
from evalkit.statistics.paired import paired_bootstrap
from evalkit.statistics.power import PlannedTest, mean_power, sd_from_se, variance_components

N = 500
ONE_SIDED = PlannedTest(two_sided=False)
Row = tuple[str, float, float]


def found(sim: Simulation, one: Callable[[Generator, int], float]) -> float:
    """Return the share of comparisons with p <= 0.05."""
    return sim.rate(lambda rng, seed: (one(rng, seed), 1.0, 1.0))[0]


def binary(sim: Simulation) -> Iterator[Row]:
    """McNemar's test by the shares of discordant samples."""
    for lost, gained in ((0.10, 0.06), (0.15, 0.10), (0.06, 0.02)):

        def pair(rng: Generator, lost: float = lost, gained: float = gained) -> tuple[float, float]:
            kind = rng.choice(3, size=N, p=(lost, gained, 1 - lost - gained))
            both, less, _ = mid_p(kind != 1, kind != 0)
            return both, less

        name = f"McNemar mid-p, {lost:.0%} lost and {gained:.0%} gained"
        yield f"{name}, two-sided", mcnemar_power(lost, gained, N), found(sim, lambda rng, _: pair(rng)[0])
        predicted = mcnemar_power(lost, gained, N, two_sided=False)
        yield f"{name}, one-sided", predicted, found(sim, lambda rng, _: pair(rng)[1])


def means(sim: Simulation) -> Iterator[Row]:
    """Sign flips and bootstrap-t by the standard deviation of the differences."""
    shapes: dict[str, tuple[float, Callable[[Generator], FloatArray]]] = {
        "normal": (1.0, lambda rng: rng.normal(size=N)),
        "80/20": (0.1, lambda rng: np.where(rng.random(N) < 0.8, 0.05, -0.2)),
    }
    for name, (sd, draw) in shapes.items():
        shift = -0.12 * sd

        def flips(rng: Generator, seed: int, draw: Callable[[Generator], FloatArray] = draw) -> float:
            return sim.flips(draw(rng) + shift, seed)[0]  # noqa: B023

        def boot_t(rng: Generator, seed: int, draw: Callable[[Generator], FloatArray] = draw) -> float:
            return sim.boot_t(draw(rng) + shift, seed)[1]  # noqa: B023

        yield f"sign-flip, {name}, 0.12 sd, two-sided", mean_power(shift, sd, N), found(sim, flips)
        predicted = mean_power(shift, sd, N, ONE_SIDED)
        yield f"bootstrap-t, {name}, 0.12 sd, one-sided", predicted, found(sim, boot_t)


def trials(sim: Simulation) -> Iterator[Row]:
    """A model that answers right with its own chance on each sample, planned from a pilot of 8 trials."""

    def answers(rng: Generator, count: int) -> tuple[FloatArray, FloatArray]:
        ability = rng.beta(1.2, 0.5, size=(N, 1))
        worse = np.clip(ability - 0.03 - 0.1 * (rng.random((N, 1)) - 0.5), 0, 1)
        first, second = rng.random((N, count)) < ability, rng.random((N, count)) < worse
        return first.astype(float), second.astype(float)

    rng = np.random.default_rng(1)
    pilots = [answers(rng, 8) for _ in range(20)]
    effect = float(np.mean([second.mean() - first.mean() for first, second in pilots]))
    components = variance_components(*pilots[0])
    for count in (1, 4):

        def flips(rng: Generator, seed: int, count: int = count) -> float:
            first, second = answers(rng, count)
            return sim.flips(second.mean(axis=1) - first.mean(axis=1), seed)[1]

        predicted = mean_power(effect, components.sd(count), N, ONE_SIDED)
        yield f"sign-flip, {count} trials by a pilot of 8, one-sided", predicted, found(sim, flips)


def grouped(sim: Simulation) -> Iterator[Row]:
    """100 documents of five questions, planned with the design effect of one data set."""
    pilot, groups = documents(np.random.default_rng(3), 1000, 5, 0.4)
    effect = clustered_mean(pilot, groups).design_effect

    def flips(rng: Generator, seed: int) -> float:
        differences, numbers = documents(rng, 100, 5, 0.4)
        return sim.flips(differences - 0.15, seed, numbers)[0]

    predicted = mean_power(0.15, 1.0, N, design_effect=effect)
    yield f"sign-flip, 100 documents of 5, design effect {effect:.2f}", predicted, found(sim, flips)


def corpus(sim: Simulation) -> Iterator[Row]:
    """Corpus BLEU, planned from the bootstrap error of 200 segments."""
    rng = np.random.default_rng(4)
    drawn = [diluted(sim, rng, 20_000) for _ in range(5)]
    ones = np.ones((1, 20_000))
    effect = np.mean([METRIC.aggregate(b, ones) - METRIC.aggregate(a, ones) for a, b in drawn])
    pilots = [diluted(sim, rng, 200) for _ in range(10)]
    errors = [paired_bootstrap(METRIC.aggregate, *pilot, resamples=500, seed=5).se[0] for pilot in pilots]
    sd = sd_from_se(float(np.mean(errors)), 200)

    def swaps(rng: Generator, seed: int) -> float:
        return corpus_test(sim, *diluted(sim, rng, N), seed)[0]

    predicted = mean_power(float(effect), sd, N)
    yield f"randomisation, BLEU {effect:+.2f}, planned from 200 segments", predicted, found(sim, swaps)


def diluted(sim: Simulation, rng: Generator, n: int) -> tuple[FloatArray, FloatArray]:
    """A candidate that is worse on a quarter of the segments and alike on the others."""
    same, other = sim.segments(rng, (0.10, 0.10), n), sim.segments(rng, (0.10, 0.15), n)
    return same[0], np.where(rng.random((n, 1)) < 0.25, other[1], same[1])


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1999)
    options = parser.parse_args()
    sim = Simulation(options.comparisons, options.resamples)
    print(f"n={N}, {options.comparisons} comparisons, {options.resamples} resamples, seed {sim.seed}")
    print(f"{'':62s} planned    found")
    for kind in (binary, means, trials, grouped, corpus):
        for label, planned, share in kind(sim):
            print(f"{label:62s} {planned:7.1%}  {share:7.1%}", flush=True)


if __name__ == "__main__":
    main()
