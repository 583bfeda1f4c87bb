"""ROUGE in compiled code against rouge-score itself: equal to the last digit, and how much faster.

    python benchmarks/speed/rouge.py [--pairs 20000] [--words 60]

Both score the same pairs in turn, three times; CPU seconds, medians, and the number of values that differ.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

from rouge_score.rouge_scorer import RougeScorer

from evalkit.metrics.rouge import Rouge, compiled
from evalkit.records import Generation, Response, Sample

TYPES = ("rouge1", "rouge2", "rougeL")
WORDS = """
the a an of in and dog dogs barked barking agreed agreement nationality nationalities happily happy runs
running ran easily relational conditional 3.14 1,000 U.S. don't naïve 天 气 today's report ministers said
""".split()  # noqa: SIM905 - as a list it is a page


def seconds(act: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    act()
    return time.process_time() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--words", type=int, default=60)
    options = parser.parse_args()
    if not compiled():
        parser.exit(2, "rouge-score-rs is not installed: pip install rouge-score-rs\n")
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=options.words)) for _ in range(2 * options.pairs)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    generations = [Generation(str(n), 0, Response(one), one) for n, (one, _) in enumerate(pairs)]
    samples = [Sample(str(n), {}, other) for n, (_, other) in enumerate(pairs)]
    metric = Rouge(types=TYPES, use_stemmer=True, tokenizer="rouge_score")
    scorer = RougeScorer(list(TYPES), use_stemmer=True)
    ours, theirs = [], []
    for _ in range(3):
        ours.append(seconds(lambda: metric.statistics(generations, samples)))
        theirs.append(seconds(lambda: [scorer.score(other, one) for one, other in pairs]))
    rows = metric.statistics(generations, samples)
    wrong = sum(
        row[place] != scores[name].fmeasure
        for row, (one, other) in zip(rows, pairs, strict=True)
        for scores in [scorer.score(other, one)]
        for place, name in enumerate(TYPES)
    )
    fast, slow = statistics.median(ours), statistics.median(theirs)
    print(f"{len(pairs)} pairs of {options.words} words, {', '.join(TYPES)} with stemming")
    print(f"rouge-score {slow:.2f} s of CPU, evalkit {fast:.2f} s: {slow / fast:.0f} times faster")
    print(f"{wrong} of {len(pairs) * len(TYPES)} values differ")


if __name__ == "__main__":
    main()
