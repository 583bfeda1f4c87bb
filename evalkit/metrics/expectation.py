"""What a reply is held to: acceptable texts, and checks that its words can be put to.

An expectation is a text, a list of acceptable texts, or a mapping of checks that may have `reference` (a
text) or `references` (a list) among them. A conversation has one for each of its turns, or None where a
turn is free.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from evalkit.errors import MetricError, did_you_mean
from evalkit.metrics.text import UNSPACED, quoted, scripted_words, words
from evalkit.records import REFERENCES, TURNS, Sample

_APOSTROPHES = str.maketrans({"\u2019": "'", "\u02bc": "'"})
# "1,250.50", "-3", "7"; a minus after a digit or letter is a dash ("3-4").
_NUMBER = re.compile(r"(?<![\w.])-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d)|\d+(?:\.\d+)?")
_INSIDE_WORD = re.compile(r"(?<=\w)['.,\-](?=\w)")


def turn_count(sample: Sample) -> int:
    """Return how many turns the user has: those of the input field `turns`, or one."""
    turns = sample.fields.get(TURNS)
    return max(1, len(turns)) if isinstance(turns, Sequence) and not isinstance(turns, str) else 1


def expectations(sample: Sample, column: str | None, metric: str) -> list[Any]:
    """Return what each turn's reply is held to: of the target, or of a column of input or metadata.

    A list as long as the turns has one for each; anything else is about the last reply.
    """
    value = sample.target if column is None else found_in(sample, column)
    n = turn_count(sample)
    if n == 1 and isinstance(value, list) and not (len(value) == 1 and not isinstance(value[0], str)):
        return [value or None]
    if not isinstance(value, list):
        return [*[None] * (n - 1), value]
    if len(value) != n:
        what = "target" if column is None else f'column "{column}"'
        raise MetricError(
            f'{metric}: sample "{sample.id}" has {n} turns, and its {what} is a list of {len(value)}; '
            "give one for each turn, null where a turn is free"
        )
    return value


def found_in(sample: Sample, path: str) -> Any:
    """Return the value at a column or dotted path of target, input or metadata; None where there is none."""
    for place in (sample.target, sample.fields, sample.metadata):
        value = member(place, path)
        if value is not None:
            return value
    return None


def member(value: Any, path: str) -> Any:
    """Return what a dotted path leads to in nested mappings, None where it leads nowhere."""
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value


def has_checks(expectation: Any) -> bool:
    """Whether an expectation has any check."""
    return isinstance(expectation, Mapping) and any(name not in REFERENCES for name in expectation)


def check_expectation(expectation: Any, where: str) -> None:
    """Raise MetricError for an unknown check, or one not of its form; `where` names metric and sample."""
    if not isinstance(expectation, Mapping):
        return
    for name, wanted in expectation.items():
        if name in REFERENCES:
            continue
        if name not in CHECKS:
            raise MetricError(
                f'{where}: unknown check "{name}"{did_you_mean(str(name), CHECKS)}; '
                f"there are {', '.join(CHECKS)}"
            )
        try:
            next(CHECKS[name]("", wanted), None)
        except (TypeError, ValueError, re.error) as error:
            raise MetricError(f"{where}: check {name}: {error}") from None


def failed_checks(reply: str, expectation: Mapping[str, Any]) -> list[str]:
    """Return what a reply lacks or has too much, in words; nothing when every check holds."""
    return [
        reason
        for name, wanted in expectation.items()
        if name not in REFERENCES
        for reason in CHECKS[name](reply, wanted)
    ]


def _contains_any(reply: str, wanted: Any) -> Iterator[str]:
    if not any(holds(reply, text) for text in _texts(wanted)):
        yield f"has none of {_listed(wanted)}"


def _contains_all(reply: str, wanted: Any) -> Iterator[str]:
    for one in [wanted] if isinstance(wanted, str) else wanted:
        if not any(holds(reply, text) for text in _texts(one)):
            yield f"lacks {_listed(one)}"


def _contains_none(reply: str, wanted: Any) -> Iterator[str]:
    for text in _texts(wanted):
        if holds(reply, text):
            yield f"has {quoted(text)}"


def _equals_any(reply: str, wanted: Any) -> Iterator[str]:
    if _bare(reply) not in {_bare(text) for text in _texts(wanted)}:
        yield f"is not {_listed(wanted)}"


def _regex(reply: str, wanted: Any) -> Iterator[str]:
    for pattern in _texts(wanted):
        if not re.search(pattern, reply, re.IGNORECASE):
            yield f"nothing matches {pattern!r}"


def _not_regex(reply: str, wanted: Any) -> Iterator[str]:
    for pattern in _texts(wanted):
        if re.search(pattern, reply, re.IGNORECASE):
            yield f"something matches {pattern!r}"


def _number(reply: str, wanted: Any) -> Iterator[str]:
    if isinstance(wanted, bool) or not isinstance(wanted, int | float):
        raise TypeError(f"must be a number, not {wanted!r}")
    last = last_number(reply)
    if last is None or abs(last - wanted) > 1e-9 * max(1.0, abs(wanted)):
        yield f"its last number is {'none' if last is None else f'{last:g}'}, not {wanted:g}"


def _max_words(reply: str, wanted: Any) -> Iterator[str]:
    found = word_count(reply)
    if found > _whole(wanted):
        yield f"has {found} words, at most {wanted} were allowed"


def _min_words(reply: str, wanted: Any) -> Iterator[str]:
    found = word_count(reply)
    if found < _whole(wanted):
        yield f"has {found} words, at least {wanted} were asked for"


CHECKS: dict[str, Callable[[str, Any], Iterator[str]]] = {
    "contains_any": _contains_any,
    "contains_all": _contains_all,
    "contains_none": _contains_none,
    "equals_any": _equals_any,
    "regex": _regex,
    "not_regex": _not_regex,
    "number": _number,
    "max_words": _max_words,
    "min_words": _min_words,
}
"""Checks by name; each yields why a reply does not pass."""


def holds(reply: str, text: str) -> bool:
    """Whether a reply has a word or phrase: not as part of a longer word or number, whatever its case.

    "7" is not in "17" or "7.5", "art" not in "party"; a character of a script without spaces needs no border.
    """
    return _pattern(text).search(_folded(reply)) is not None


def last_number(text: str) -> float | None:
    """Return the last number of a text, thousands separated by commas or not; None without one."""
    found = _NUMBER.findall(unicodedata.normalize("NFKC", text))
    return float(found[-1].replace(",", "")) if found else None


def word_count(text: str) -> int:
    """Return the number of words; "don't", "well-known" and "3.5" are one each, as is a Han character."""
    return len(words(_INSIDE_WORD.sub("", text.translate(_APOSTROPHES))))


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold().split())


def _bare(text: str) -> str:
    """Return a text without case, and without punctuation and space at its ends."""
    return re.sub(r"^[\W_]+|[\W_]+$", "", _folded(text))


@lru_cache(maxsize=1 << 14)
def _pattern(text: str) -> re.Pattern[str]:
    folded = _folded(text)
    if not folded:
        raise ValueError("an empty text is in every reply")
    return re.compile(
        f"{_border(folded[0], before=True)}{re.escape(folded)}{_border(folded[-1], before=False)}"
    )


def _border(char: str, *, before: bool) -> str:
    """Return what may not stand beside a phrase's first or last character."""
    if char.isdigit():
        return r"(?<!\d)(?<!\d[.,])" if before else r"(?!\d)(?![.,]\d)"
    scripts = {script for _, script in scripted_words(char)}
    if not scripts or scripts & UNSPACED:
        return ""
    return r"(?<![^\W\d_])" if before else r"(?![^\W\d_])"


def _texts(wanted: Any) -> list[str]:
    texts = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(one, str) for one in texts):
        raise TypeError(f"must be a text or a list of texts, not {wanted!r}")
    return list(texts)


def _listed(wanted: Any) -> str:
    return " or ".join(quoted(text) for text in _texts(wanted))


def _whole(wanted: Any) -> int:
    if isinstance(wanted, bool) or not isinstance(wanted, int) or wanted < 0:
        raise TypeError(f"must be a whole number, not {wanted!r}")
    return wanted
