"""How often the paired tests reject: simulated comparisons without a difference, and with a known one.

    python benchmarks/statistics/size.py [--comparisons 2000] [--resamples 1999] [--only NAME]

Everything is drawn from one seed. Each row: share of p <= 0.05 two-sided, and one-sided "less" (candidate
worse) and "greater"; with 2,000 comparisons a true 5% shows as 4.0-6.0% (95% of the time).
"""

import argparse
import time
from collections.abc import Callable, Iterator

import numpy as np
from material import FloatArray, system
from numpy.random import Generator

from evalkit.metrics.bleu import Bleu
from evalkit.records import Sample
from evalkit.statistics.paired import paired_bootstrap
from evalkit.statistics.proportions import mcnemar, tango_p_value
from evalkit.statistics.randomisation import approximate_randomisation, sign_flip
from evalkit.statistics.studentised import studentised

ALPHA = 0.05
POOL = 2400  # segments of each noisy system that comparisons draw from
METRIC = Bleu(tokenize="13a").bind([Sample(id="0", input={}, target="x")])
Triple = tuple[float, float, float]


class Simulation:
    """The seeded source of data sets, and the number of resamples that each test may use."""

    def __init__(self, comparisons: int, resamples: int, seed: int = 20241101) -> None:
        self.comparisons = comparisons
        self.resamples = resamples
        self.seed = seed
        self.pools = {rate: pool(rate) for rate in (0.10, 0.15)}

    def rate(self, one: Callable[[Generator, int], Triple]) -> list[float]:
        """Return the shares of comparisons with p <= 0.05 for (two-sided, less, greater)."""
        rng = np.random.default_rng(self.seed)
        found = np.array([one(rng, number) for number in range(self.comparisons)])
        return [float(share) for share in np.mean(found <= ALPHA + 1e-12, axis=0)]

    def flips(self, differences: FloatArray, seed: int, groups: np.ndarray | None = None) -> Triple:
        """Test by sign flips."""
        test = sign_flip(differences, resamples=self.resamples, seed=seed, groups=groups)
        return float(test.p_value[0]), float(test.p_less[0]), float(test.p_greater[0])

    def boot_t(
        self, differences: FloatArray, seed: int, groups: np.ndarray | None = None, limit: float | None = None
    ) -> Triple:
        """Test by the bootstrap-t."""
        test = studentised(differences, resamples=self.resamples, seed=seed, groups=groups, limit=limit)
        return test.p_two_sided(), test.p_less(), test.p_greater()

    def segments(self, rng: Generator, sides: tuple[float, float], n: int) -> tuple[FloatArray, FloatArray]:
        """Return the BLEU statistics of n segments by two systems with these damage rates."""
        chosen = rng.integers(0, POOL, n)
        drawn = rng.integers(0, 2, n)  # which of the two independent systems of a rate is the baseline
        first, second = (self.pools[rate] for rate in sides)
        return first[drawn, chosen], second[1 - drawn, chosen]

    def documents(self, rng: Generator, n: int, size: int) -> tuple[FloatArray, FloatArray, np.ndarray]:
        """Return BLEU statistics of n documents; on each of them a random side is the worse one."""
        groups = np.repeat(np.arange(n), size)
        better = self.segments(rng, (0.10, 0.15), n * size)
        side = rng.integers(0, 2, n)[groups].astype(bool)[:, np.newaxis]
        return np.where(side, *better), np.where(side, *better[::-1]), groups


def pool(rate: float) -> FloatArray:
    """Return (2, POOL, 10) statistics of two independent systems with this damage rate."""
    sides = []
    for seed in (1, 2):
        texts, references = system(POOL, rate, seed=seed + int(1000 * rate))
        sides.append(METRIC._rows(texts, [(text,) for text in references]))  # noqa: SLF001
    return np.stack(sides)


def mid_p(first: np.ndarray, second: np.ndarray) -> Triple:
    """McNemar's test of two rows of 0 and 1."""
    test = mcnemar(int(np.sum(first & ~second)), int(np.sum(second & ~first)))
    return test.p_value, test.p_less, test.p_greater


def documents(rng: Generator, n: int, size: int, icc: float) -> tuple[FloatArray, np.ndarray]:
    """Return normal differences of n documents with `size` questions each, and their groups."""
    groups = np.repeat(np.arange(n), size)
    shared = rng.normal(size=n)[groups] * np.sqrt(icc)
    return shared + rng.normal(size=n * size) * np.sqrt(1 - icc), groups


def trials(rng: Generator, n: int, count: int, skill: tuple[float, float]) -> FloatArray:
    """Return differences of means of `count` trials of a stochastic model with itself."""
    ability = rng.beta(*skill, size=(n, 1))
    return (rng.random((n, count)) < ability).mean(axis=1) - (rng.random((n, count)) < ability).mean(axis=1)


def binary(sim: Simulation) -> Iterator[tuple[str, list[float]]]:
    """Rows on right-or-wrong scores."""

    def independent(rng: Generator, _: int) -> Triple:
        return mid_p(rng.random(100) < 0.7, rng.random(100) < 0.7)

    def stochastic(rng: Generator, _: int) -> Triple:
        ability = rng.beta(1.2, 0.5, size=100)
        return mid_p(rng.random(100) < ability, rng.random(100) < ability)

    def at_margin(rng: Generator, _: int) -> Triple:
        kind = rng.choice(3, size=400, p=(0.08, 0.03, 0.89))  # 5 points worse: exactly the margin
        lost, gained = int(np.sum(kind == 0)), int(np.sum(kind == 1))
        low, high = (tango_p_value(lost, gained, 400, -0.05, side) for side in ("less", "greater"))
        return 2 * min(low, high), low, high

    yield "binary n=100, independent: McNemar mid-p", sim.rate(independent)
    yield "binary n=100, stochastic model with itself: McNemar mid-p", sim.rate(stochastic)
    yield "binary n=400, 5 points worse, null = margin of 5: Tango", sim.rate(at_margin)
    for skill, name in (((1.2, 0.5), "hard and easy"), ((40.0, 0.2), "nearly always right")):

        def flips(rng: Generator, seed: int, skill: tuple[float, float] = skill) -> Triple:
            return sim.flips(trials(rng, 200, 4, skill), seed)

        def boot_t(rng: Generator, seed: int, skill: tuple[float, float] = skill) -> Triple:
            return sim.boot_t(trials(rng, 200, 4, skill), seed, limit=1.0)

        yield f"4 trials n=200, {name}: sign-flip", sim.rate(flips)
        yield f"4 trials n=200, {name}: bootstrap-t (limit 1)", sim.rate(boot_t)


def continuous(sim: Simulation) -> Iterator[tuple[str, list[float]]]:
    """Rows on scores with any value."""

    def flips(rng: Generator, seed: int) -> Triple:
        return sim.flips(rng.beta(2, 1, 200) - rng.beta(2, 1, 200), seed)

    def boot_t(rng: Generator, seed: int) -> Triple:
        return sim.boot_t(rng.beta(2, 1, 200) - rng.beta(2, 1, 200), seed)

    yield "continuous exchangeable n=200: sign-flip", sim.rate(flips)
    yield "continuous exchangeable n=200: bootstrap-t", sim.rate(boot_t)


def skewed(sim: Simulation) -> Iterator[tuple[str, list[float]]]:
    """Rows on differences with mean zero and a long tail."""
    shapes: dict[str, Callable[[Generator], FloatArray]] = {
        "80% +0.05 and 20% -0.20": lambda rng: np.where(rng.random(200) < 0.8, 0.05, -0.2),
        "exponential": lambda rng: rng.exponential(size=200) - 1.0,
        "lognormal (sigma 1)": lambda rng: rng.lognormal(size=200) - np.exp(0.5),
    }
    for name, draw in shapes.items():

        def boot_t(rng: Generator, seed: int, draw: Callable[[Generator], FloatArray] = draw) -> Triple:
            return sim.boot_t(draw(rng), seed)

        def flips(rng: Generator, seed: int, draw: Callable[[Generator], FloatArray] = draw) -> Triple:
            return sim.flips(draw(rng), seed)

        yield f"mean 0, {name}, n=200: bootstrap-t", sim.rate(boot_t)
        yield "   the same by sign-flip, which assumes symmetry", sim.rate(flips)


def grouped(sim: Simulation) -> Iterator[tuple[str, list[float]]]:
    """Rows on five questions per document."""

    def flips(rng: Generator, seed: int) -> Triple:
        return sim.flips(*reorder(documents(rng, 40, 5, 0.4), seed))

    def boot_t(rng: Generator, seed: int) -> Triple:
        differences, groups = documents(rng, 40, 5, 0.4)
        return sim.boot_t(differences, seed, groups)

    def naive(rng: Generator, seed: int) -> Triple:
        return sim.flips(documents(rng, 40, 5, 0.4)[0], seed)

    def naive_boot_t(rng: Generator, seed: int) -> Triple:
        return sim.boot_t(documents(rng, 40, 5, 0.4)[0], seed)

    def swaps(rng: Generator, seed: int) -> Triple:
        first, second, groups = sim.documents(rng, 40, 5)
        return corpus_test(sim, first, second, seed, groups)

    def naive_swaps(rng: Generator, seed: int) -> Triple:
        first, second, _ = sim.documents(rng, 40, 5)
        return corpus_test(sim, first, second, seed)

    yield "40 documents of 5, ICC 0.4: sign-flip of groups", sim.rate(flips)
    yield "40 documents of 5, ICC 0.4: bootstrap-t of groups", sim.rate(boot_t)
    yield "   the same by sign-flip without groups", sim.rate(naive)
    yield "   the same by bootstrap-t without groups", sim.rate(naive_boot_t)
    yield "40 documents of 5, corpus BLEU: randomisation of groups", sim.rate(swaps)
    yield "   the same without groups", sim.rate(naive_swaps)


def reorder(data: tuple[FloatArray, np.ndarray], seed: int) -> tuple[FloatArray, int, np.ndarray]:
    """Put the arguments in the order that `Simulation.flips` takes."""
    return data[0], seed, data[1]


def corpus(sim: Simulation) -> Iterator[tuple[str, list[float]]]:
    """Rows on corpus BLEU."""

    def swaps(rng: Generator, seed: int) -> Triple:
        return corpus_test(sim, *sim.segments(rng, (0.10, 0.10), 200), seed)

    def boot(rng: Generator, seed: int) -> Triple:
        test = paired_bootstrap(
            METRIC.aggregate, *sim.segments(rng, (0.10, 0.10), 200), resamples=sim.resamples, seed=seed
        )
        return float(test.p_two_sided()[0]), float(test.p_less()[0]), float(test.p_greater()[0])

    def shifted(rng: Generator, seed: int) -> Triple:
        test = paired_bootstrap(
            METRIC.aggregate, *sim.segments(rng, (0.10, 0.10), 200), resamples=sim.resamples, seed=seed
        )
        distances = np.abs(test.replicates[:, 0])
        theirs = np.count_nonzero(distances - distances.mean() > abs(test.difference[0]))
        return float(test.p_centred()[0]), (theirs + 1) / (sim.resamples + 1), 1.0

    yield "corpus BLEU n=200: approximate randomisation", sim.rate(swaps)
    yield "corpus BLEU n=200: paired bootstrap, percentiles", sim.rate(boot)
    yield "   by shift; 2nd column: sacreBLEU's formula, two-sided", sim.rate(shifted)


def corpus_test(
    sim: Simulation, first: FloatArray, second: FloatArray, seed: int, groups: np.ndarray | None = None
) -> Triple:
    """Test by swapping."""
    test = approximate_randomisation(
        METRIC.aggregate, first, second, resamples=sim.resamples, seed=seed, groups=groups
    )
    return float(test.p_value[0]), float(test.p_less[0]), float(test.p_greater[0])


KINDS = {
    "binary": binary,
    "continuous": continuous,
    "skewed": skewed,
    "grouped": grouped,
    "corpus": corpus,
}


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--comparisons", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=1999)
    parser.add_argument("--only", choices=KINDS)
    options = parser.parse_args()
    sim = Simulation(options.comparisons, options.resamples)
    print(
        f"{options.comparisons} comparisons, {options.resamples} resamples, seed {sim.seed}; share of p <= 5%"
    )
    print(f"{'':58s} two-sided    less  greater  seconds")
    for name, kind in KINDS.items():
        if options.only in (None, name):
            start = time.perf_counter()
            for label, shares in kind(sim):
                cells = "".join(f"{share:9.2%}" for share in shares)
                print(f"{label:58s} {cells}  {time.perf_counter() - start:7.0f}", flush=True)
                start = time.perf_counter()


if __name__ == "__main__":
    main()
