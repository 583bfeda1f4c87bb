"""Paired tests of corpus BLEU from stored statistics, beside sacreBLEU's, on the same machine in one run.

    python benchmarks/statistics/speed.py [--samples 10000] [--resamples 10000] [--rounds 1]

Prints seconds of wall time, the ratio, and the largest memory of the process while ours ran. Reading texts
into n-gram counts is left out on both sides; sacreBLEU's share of it is measured and subtracted.
"""

import argparse
import logging
import resource
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from material import system
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.significance import PairedTest

from evalkit.metrics.bleu import Bleu
from evalkit.records import Sample
from evalkit.statistics.paired import paired_bootstrap
from evalkit.statistics.randomisation import approximate_randomisation


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that `work` took, and what it returned."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def map_all(bleu: BLEU, sides: tuple[list[str], ...], texts: list[str]) -> None:
    """Let sacreBLEU count the n-grams of both systems, as its test does first."""
    for side in sides:
        bleu._extract_corpus_statistics(side, [texts])  # noqa: SLF001


def paired_test(systems: list[tuple[str, list[str]]], texts: list[str], kind: str, resamples: int) -> Any:
    """Run sacreBLEU's own test."""
    return PairedTest(systems, {"BLEU": BLEU(tokenize="13a")}, [texts], kind, resamples)()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--resamples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("sacrebleu").setLevel(logging.ERROR)
    n, resamples = options.samples, options.resamples
    (first, texts), (second, _) = system(n, 0.10, seed=1), system(n, 0.101, seed=2)
    metric = Bleu(tokenize="13a").bind([Sample(id="0", input={}, target="x")])
    rows = [metric._rows(side, [(text,) for text in texts]) for side in (first, second)]  # noqa: SLF001
    draw = {"resamples": resamples, "seed": 12345}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ours: dict[str, list[float]] = {"bs": [], "ar": []}
    for _ in range(options.rounds):
        seconds, boot = timed(lambda: paired_bootstrap(metric.aggregate, *rows, **draw))
        ours["bs"].append(seconds)
        seconds, swap = timed(lambda: approximate_randomisation(metric.aggregate, *rows, **draw))
        ours["ar"].append(seconds)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"n={n} resamples={resamples}; difference {boot.difference[0]:+.4f} BLEU")
    print(f"ours: bootstrap p={boot.p_centred()[0]:.4f}, randomisation p={swap.p_value[0]:.4f}")
    print(f"memory before ours {before:.0f} MB, largest {peak:.0f} MB")
    systems = [("first", first), ("second", second)]
    for kind, own in ours.items():
        bleu = BLEU(tokenize="13a")
        reading, _ = timed(partial(map_all, bleu, (first, second), texts))
        test = partial(paired_test, systems, texts, kind, resamples)
        seconds, (_, scores) = timed(test)
        theirs = seconds - reading
        print(
            f"{kind}: ours {np.median(own):.2f} s, sacreBLEU {theirs:.1f} s (and {reading:.1f} s reading): "
            f"{theirs / np.median(own):.1f} times; its p={scores['BLEU'][1].p_value:.4f}"
        )


if __name__ == "__main__":
    main()
