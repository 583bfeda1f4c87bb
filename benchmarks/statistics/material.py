"""Two noisy translation systems, made from the references of benchmarks/translation with a seed.

Both copy the German reference and damage it: each word is dropped, doubled, swapped with the next or replaced
by a word of another reference. The rate decides how good a system is; equal rates make exchangeable systems.
"""

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
SHARES = (0.3, 0.2, 0.2, 0.3)  # of drop, double, swap, replace among damaged words

FloatArray = NDArray[np.float64]


def references() -> list[str]:
    """Return the 48 German references."""
    lines = (ROOT / "benchmarks/translation/data.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["de"] for line in lines]


def damaged(text: str, vocabulary: list[str], rate: float, rng: np.random.Generator) -> str:
    """Return the text with each word damaged with probability `rate`."""
    words = text.split()
    made: list[str] = []
    for place, word in enumerate(words):
        if rng.random() >= rate:
            made.append(word)
            continue
        kind = rng.choice(4, p=SHARES)
        if kind == 1:
            made += [word, word]
        elif kind == 2:
            made.insert(max(0, len(made) - 1), words[(place + 1) % len(words)])
        elif kind == 3:
            made.append(str(rng.choice(vocabulary)))
    return " ".join(made)


def system(n: int, rate: float, seed: int) -> tuple[list[str], list[str]]:
    """Return n hypotheses and their references, the references in turn."""
    rng = np.random.default_rng(seed)
    texts = references()
    vocabulary = " ".join(texts).split()
    chosen = [texts[place % len(texts)] for place in range(n)]
    return [damaged(text, vocabulary, rate, rng) for text in chosen], chosen
