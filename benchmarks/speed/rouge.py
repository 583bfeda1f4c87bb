"""ROUGE in compiled code against rouge-score itself: equal to the last digit, and how much faster.

    python benchmarks/speed/rouge.py [--rounds 3] [--pairs 10000] [--words 60]

Both score the same pairs in turn; CPU seconds, and the number of values that differ.
"""

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

from rounds import interleaved, ratio, spread
from tables import Goal, Part, Table, parser, report

TYPES = ("rouge1", "rouge2", "rougeL")
GOAL = 20
OURS, THEIRS = "evalkit", "rouge-score"
WORDS = """
the a an of in and dog dogs barked barking agreed agreement nationality nationalities happily happy runs
running ran easily relational conditional 3.14 1,000 U.S. don't naïve 天 气 today's report ministers said
""".split()  # noqa: SIM905 - as a list it is a page


def timed(act: Callable[[], Any]) -> tuple[float, Any]:
    """Return the CPU seconds of a call, and what it returned."""
    began = time.process_time()
    found = act()
    return time.process_time() - began, found


def scorers(pairs: list[tuple[str, str]]) -> dict[str, Callable[[], tuple[float, Any]]]:
    """Return both scorers; each gives its seconds and the F1 of every pair and type."""
    from rouge_score.rouge_scorer import RougeScorer

    from evalkit.metrics.rouge import Rouge
    from evalkit.records import Generation, Response, Sample

    generations = [Generation(str(n), 0, Response(one), one) for n, (one, _) in enumerate(pairs)]
    samples = [Sample(str(n), {}, other) for n, (_, other) in enumerate(pairs)]
    metric = Rouge(types=TYPES, use_stemmer=True, tokenizer="rouge_score")
    scorer = RougeScorer(list(TYPES), use_stemmer=True)

    def theirs() -> list[list[float]]:
        found = (scorer.score(other, one) for one, other in pairs)
        return [[scores[name].fmeasure for name in TYPES] for scores in found]

    return {
        THEIRS: lambda: timed(theirs),
        OURS: lambda: timed(lambda: metric.statistics(generations, samples)),
    }


def drawn(pairs: int, words: int) -> list[tuple[str, str]]:
    """Return pairs of texts of that many words, from a seed."""
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=words)) for _ in range(2 * pairs)]
    return list(zip(texts[::2], texts[1::2], strict=True))


def measure(options: argparse.Namespace) -> Part:
    from evalkit.metrics.rouge import compiled

    n = options.pairs
    title = f"ROUGE-1, 2, L with stemming, {n:,} pairs of {options.words} words"
    goal = f"≥ {GOAL} × faster"
    if not compiled():
        missing = Goal(title, goal, "rouge-score-rs is not installed (extra `fast`)", met=False)
        return Part(title, [missing])
    found = interleaved(scorers(drawn(n, options.words)), options.rounds)
    seconds = {name: [one for one, _ in values] for name, values in found.items()}
    wrong = sum(
        bool(value != other)
        for one, reference in zip(found[OURS][0][1], found[THEIRS][0][1], strict=True)
        for value, other in zip(list(one)[: len(TYPES)], reference, strict=True)
    )
    faster = ratio(seconds[THEIRS], seconds[OURS])
    rows = [
        [name, spread(values).shown(2), f"{spread(values).middle / n * 1e6:.0f}"]
        for name, values in seconds.items()
    ]
    return Part(
        title,
        [
            Goal(title, goal, f"{faster.shown(0)} ×", faster.middle >= GOAL),
            Goal("values that differ from rouge-score's", "0", f"{wrong} of {n * len(TYPES):,}", wrong == 0),
        ],
        [Table(("scorer", "CPU s (range)", "µs a pair"), rows)],
    )


def main() -> None:
    made = parser(__doc__, rounds=3)
    made.add_argument("--pairs", type=int, default=10_000)
    made.add_argument("--words", type=int, default=60)
    report(made.parse_args(), measure)


if __name__ == "__main__":
    main()
