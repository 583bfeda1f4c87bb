"""What several metrics need of texts: references, SQuAD's normalisation, words and scripts."""

from __future__ import annotations

import functools
import re
import string
import unicodedata
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from evalkit.errors import MetricError, did_you_mean
from evalkit.records import Sample

# First and last code point and script, in order of code points. Only scripts that change a decision are
# named; every other letter is "other". Blocks as of Unicode 16.
_SCRIPTS = (
    (0x0041, 0x02AF, "latin"),
    (0x0E00, 0x0EFF, "thai"),  # and Lao
    (0x1000, 0x109F, "myanmar"),
    (0x1100, 0x11FF, "hangul"),
    (0x1780, 0x17FF, "khmer"),
    (0x1D00, 0x1DBF, "latin"),
    (0x1E00, 0x1EFF, "latin"),
    (0x2C60, 0x2C7F, "latin"),
    (0x2E80, 0x2FDF, "han"),
    (0x3005, 0x3007, "han"),
    (0x3021, 0x3029, "han"),
    (0x3038, 0x303B, "han"),
    (0x3041, 0x30FF, "kana"),
    (0x3131, 0x318E, "hangul"),
    (0x31F0, 0x31FF, "kana"),
    (0x3400, 0x9FFF, "han"),
    (0xA720, 0xA7FF, "latin"),
    (0xA960, 0xA97F, "hangul"),
    (0xA9E0, 0xA9FF, "myanmar"),
    (0xAA60, 0xAA7F, "myanmar"),
    (0xAB30, 0xAB6F, "latin"),
    (0xAC00, 0xD7FF, "hangul"),
    (0xF900, 0xFAFF, "han"),
    (0xFF66, 0xFF9F, "kana"),
    (0x1AFF0, 0x1B16F, "kana"),
    (0x20000, 0x323AF, "han"),
)
_STARTS = [first for first, _, _ in _SCRIPTS]

UNSPACED = frozenset({"han", "kana", "thai", "khmer", "myanmar"})
"""Scripts written without spaces between words: each character stands for itself."""

# Format characters join (ZWJ, ZWNJ, direction marks), except the one that separates words in Khmer and Thai.
_ZERO_WIDTH_SPACE = "\u200b"
_VARIATION_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))

# Han and kana. MLQA and CMRC 2018 look at U+4E00-9FA5 only; the rest of Han and kana are treated alike here.
_CJK = (
    "[\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u31f0-\u31ff\u3400-\u9fff\uf900-\ufaff\uff66-\uff9f\U0001aff0-\U0001b16f\U00020000-\U000323af]"
)

_MAJORITY = 0.5
_KANA_OF_JAPANESE = 0.1

_ASCII_LETTER = re.compile(r"[A-Za-z]")
_ASCII_WORD = re.compile(r"[a-z0-9]+")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_DROP_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)


@functools.cache
def cjk() -> re.Pattern[str]:
    """Return the pattern of a Han or kana character; to compile it takes 2 ms, and few runs need it."""
    return re.compile(_CJK)


def check_choice(metric: str, option: str, value: str, choices: Sequence[str]) -> None:
    """Raise MetricError, with the nearest choice, unless the option's value is one of the choices."""
    if value not in choices:
        raise MetricError(
            f'{metric}: unknown {option} "{value}"{did_you_mean(str(value), choices)}; '
            f"use one of {', '.join(choices)}"
        )


def whole(value: object) -> bool:
    """Say whether an option is a whole number of at least 1; `true` is none."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def column_of(sample: Sample, name: str) -> Any:
    """Return what a sample has in a column, mapped to an input field or not; None where it has none."""
    return sample.input.get(name, sample.metadata.get(name))


def references_of(sample: Sample, metric: str) -> tuple[str, ...]:
    """Return the sample's acceptable texts; MetricError naming the sample when it has none."""
    references = sample.references
    if not references:
        raise MetricError(
            f'{metric}: sample "{sample.id}" has no target; map one with dataset.target=<column>, '
            "or drop the sample"
        )
    return references


def answers_of(references: tuple[str, ...], no_answer: str | None) -> tuple[str, ...]:
    """Return the texts that are right; where questions may have no answer, as SQuAD 2.0's script has them.

    Those that its normalisation empties are left out; where none is left, the empty text is right.
    """
    if no_answer is None:
        return references
    return tuple(text for text in references if squad_normalize(text)) or ("",)


def silent(prediction: str, no_answer: str | None) -> str:
    """Return the empty text for a prediction that says that there is no answer, in the words asked for."""
    if no_answer is None or squad_normalize(prediction) != squad_normalize(no_answer):
        return prediction
    return ""


def all_references(samples: Iterable[Sample], metric: str) -> Iterable[str]:
    """Return all references of all samples in order, read anew each time; MetricError as `references_of`."""
    for sample in samples:
        references_of(sample, metric)
    return _References(samples)


@dataclass(frozen=True)
class _References:
    """The texts themselves would fill the memory where samples are many."""

    samples: Iterable[Sample]

    def __iter__(self) -> Iterator[str]:
        return (text for sample in self.samples for text in sample.references)


def reference_streams(references: Sequence[tuple[str, ...]]) -> list[list[str | None]]:
    """Turn each sample's references into sacrebleu's streams, None where a sample has fewer than others."""
    most = max(map(len, references), default=0)
    return [[one[i] if i < len(one) else None for one in references] for i in range(most)]


def reference_count(samples: Sequence[Sample]) -> int | str:
    """Return how many references each sample has, "var" where that differs, as sacrebleu's signatures do."""
    numbers = {len(sample.references) for sample in samples}
    return numbers.pop() if len(numbers) == 1 else "var"


def quoted(text: str, limit: int = 80) -> str:
    """Return the text's repr cut to about `limit` characters, for one-line explanations."""
    return repr(text if len(text) <= limit else text[: limit - 1] + "…")


def squad_normalize(text: str) -> str:
    """Lower-case, drop ASCII punctuation and a/an/the, and collapse white space (SQuAD v1.1 script)."""
    bare = text.lower().translate(_DROP_ASCII_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def squad_tokens(text: str) -> list[str]:
    """Return the words of a text after SQuAD's normalisation."""
    return squad_normalize(text).split()


def mixed_tokens(text: str) -> list[str]:
    """Return each Han and kana character and, between them, words (MLQA's Chinese evaluation)."""
    kept = "".join(
        char
        for char in text.lower()
        if char not in string.punctuation and not unicodedata.category(char).startswith("P")
    )
    return cjk().sub(r" \g<0> ", kept).split()


@functools.lru_cache(maxsize=1 << 14)
def _kind(char: str) -> str:
    """Return a letter's script, "number", "mark" (joins what precedes it), "ignored", or "" (separates)."""
    category = unicodedata.category(char)
    code = ord(char)
    if category == "Cf":
        return "" if char == _ZERO_WIDTH_SPACE else "ignored"
    if category == "Me" or any(first <= code <= last for first, last in _VARIATION_SELECTORS):
        return "ignored"
    if category[0] == "M":
        return "mark"
    script = "other"
    position = bisect_right(_STARTS, code) - 1
    if position >= 0 and code <= _SCRIPTS[position][1]:
        script = _SCRIPTS[position][2]
    if category[0] == "N":
        return script if script == "han" else "number"
    return script if category[0] == "L" else ""


def scripted_words(text: str) -> list[tuple[str, str]]:
    """Return (lower-cased word, script of its first letter or "number") pairs of a text in any language.

    The text is brought to NFKC first, so full-width and composed spellings compare equal. A word is a run of
    letters, marks and digits; a character of a script without spaces is a word of its own, with its marks.
    """
    if text.isascii():
        return [(word, "number" if word.isdigit() else "latin") for word in _ASCII_WORD.findall(text.lower())]
    words: list[tuple[str, str]] = []
    chars: list[str] = []
    script = ""

    def close() -> None:
        if chars:
            words.append(("".join(chars), script))
            chars.clear()

    for char in unicodedata.normalize("NFKC", text).lower():
        kind = _kind(char)
        if kind == "ignored" or (kind == "mark" and not chars):
            continue  # a mark after a symbol (an emoji's variation selector) is no word
        if not kind:
            close()
            continue
        if kind != "mark":
            if chars and (kind in UNSPACED or script in UNSPACED):
                close()
            if not chars or script == "number":
                script = kind
        chars.append(char)
    close()
    return words


def words(text: str) -> list[str]:
    """Return the lower-cased words of a text in any language; ASCII text splits at non-alphanumerics."""
    return [word for word, _ in scripted_words(text)]


def script_shares(texts: Iterable[str]) -> defaultdict[str, float]:
    """Return each script's share of a text's words, averaged over the texts that have any letter.

    A Han character weighs as much as a Latin word, and a short text as much as a long one: one English name
    does not make a Chinese sentence Latin, nor one Greek letter an English one Greek.
    """
    shares: defaultdict[str, float] = defaultdict(float)
    counted = 0
    for text in texts:
        if text.isascii():
            if _ASCII_LETTER.search(text):  # all of its words are Latin, or numbers
                counted += 1
                shares["latin"] += 1.0
            continue
        found = Counter(script for _, script in scripted_words(text) if script != "number")
        total = found.total()
        if total:
            counted += 1
            for script, count in found.items():
                shares[script] += count / total
    for script in shares:
        shares[script] /= counted
    return shares


def writing_of(texts: Iterable[str]) -> str:
    """Return what most words of the texts are: chinese, japanese, korean, unspaced (Thai, …) or spaced."""
    shares = script_shares(texts)
    # Japanese is told by its kana, which Chinese text has only in quotations.
    if shares["han"] + shares["kana"] >= _MAJORITY:
        return "japanese" if shares["kana"] >= _KANA_OF_JAPANESE else "chinese"
    if shares["hangul"] >= _MAJORITY:
        return "korean"
    return "unspaced" if sum(shares[script] for script in UNSPACED) >= _MAJORITY else "spaced"
