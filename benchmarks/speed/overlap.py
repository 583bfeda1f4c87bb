"""Statistics of BLEU and chrF, all segments at once, against sacrebleu's loop: equal, and how much faster.

    python benchmarks/speed/overlap.py [--pairs 10000] [--words 60] [--rounds 3]

Both make the statistics of the same pairs in turn, sacrebleu in one process, evalkit in batches of 1,000 as a
run does. Words are made up and as unevenly frequent as a language's; a hypothesis has two thirds of its
reference's. Seconds of CPU and of wall time, medians and ranges, and the number of values that differ.
sacrebleu keeps the tokens of texts that it has seen; they are forgotten before each round.
"""

import argparse
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

from evalkit.metrics.bleu import Bleu
from evalkit.metrics.chrf import ChrF
from evalkit.records import Generation, Response, Sample
from evalkit.scoring import statistics_of

VOCABULARY = 30_000
CASES = {
    "BLEU": ((Bleu(tokenize="13a"), BLEU(tokenize="13a", force=True)),),
    "chrF": ((ChrF(), CHRF()),),
    "chrF++": ((ChrF(word_order=2), CHRF(word_order=2)),),
    "BLEU and chrF": ((Bleu(tokenize="13a"), BLEU(tokenize="13a", force=True)), (ChrF(), CHRF())),
}


def made_up_words(rng: random.Random) -> tuple[list[str], list[float]]:
    """Return words, and their cumulative weights by Zipf's law; rarer ones are longer."""
    syllables = ["".join(one) for one in itertools.product("bdfglmnprst", "aeiouéü", ["", "n", "s"])]
    found = ["".join(rng.choices(syllables, k=1 + rank.bit_length() // 5)) for rank in range(VOCABULARY)]
    for place in range(7, VOCABULARY, 12):
        found[place] = rng.choice(
            ("3.14", f"{place:,}", f"{found[place]}-{found[place - 1]}", f"({found[place]})")
        )
    return found, list(itertools.accumulate(1 / (rank + 3) for rank in range(VOCABULARY)))


def made_up_pairs(count: int, words: int) -> tuple[list[str], list[str]]:
    """Return hypotheses and references."""
    rng = random.Random(0)
    vocabulary, weights = made_up_words(rng)
    hypotheses, references = [], []
    for _ in range(count):
        reference = rng.choices(vocabulary, cum_weights=weights, k=words)
        for place in range(9, words, 10):
            reference[place] += rng.choice(",.;")
        other = rng.choices(vocabulary, cum_weights=weights, k=words)
        hypotheses.append(
            " ".join(b if rng.random() < 1 / 3 else a for a, b in zip(reference, other, strict=True))
        )
        references.append(" ".join(reference))
    return hypotheses, references


def seconds(act: Callable[[], object]) -> tuple[float, float]:
    """Return the CPU and wall seconds of a call that finds no tokens from before."""
    Tokenizer13a.__call__.cache_clear()
    TokenizerRegexp.__call__.cache_clear()
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    return time.process_time() - cpu, time.perf_counter() - wall


def spread(values: Sequence[float]) -> str:
    """Return median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def sacrebleus(metric: Any, hypotheses: list[str], references: list[str]) -> Any:
    """Return the statistics that sacrebleu's own significance tests are made of."""
    return metric._extract_corpus_statistics(hypotheses, [references])  # noqa: SLF001


def differing(rows: Any, theirs: Any, metric: object) -> int:
    """Return how many numbers are not those of sacrebleu, which has the lengths of BLEU first."""
    wanted = np.array(theirs)
    if isinstance(metric, Bleu):
        wanted = np.concatenate([wanted[:, 2:], wanted[:, :2]], axis=1)
    return int((rows != wanted).sum())


def measure(name: str, hypotheses: list[str], references: list[str], rounds: int) -> None:
    """Measure and print one case."""
    generations = [Generation(str(n), 0, Response(one), one) for n, one in enumerate(hypotheses)]
    samples = [Sample(str(n), {}, one) for n, one in enumerate(references)]
    metrics, ours, theirs = CASES[name], [], []
    for _ in range(rounds):
        ours.append(seconds(lambda: [statistics_of(one, generations, samples) for one, _ in metrics]))
        theirs.append(seconds(lambda: [sacrebleus(one, hypotheses, references) for _, one in metrics]))
    for kind, place in (("CPU", 0), ("wall", 1)):
        fast, slow = [one[place] for one in ours], [one[place] for one in theirs]
        ratio = statistics.median(slow) / statistics.median(fast)
        print(f"{name:14}{kind:5}sacrebleu {spread(slow)}, evalkit {spread(fast)}: {ratio:.1f} times faster")
    wrong = sum(
        differing(statistics_of(one, generations, samples), sacrebleus(other, hypotheses, references), one)
        for one, other in metrics
    )
    print(f"{name:14}{wrong} values differ")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--words", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    hypotheses, references = made_up_pairs(options.pairs, options.words)
    print(
        f"{options.pairs} pairs of {options.words} words, seconds: median (range) of {options.rounds} rounds"
    )
    for name in CASES:
        measure(name, hypotheses, references, options.rounds)


if __name__ == "__main__":
    main()
