"""What a text either is or is not: each a pure function that returns None, or what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from evalkit.metrics.constraints.counts import as_pattern
from evalkit.metrics.constraints.languages import language_of
from evalkit.metrics.schema import problem

_QUOTES = {'"': '"', "“": "”", "„": "“", "«": "»", "「": "」", "『": "』"}
_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*(?:```)?", re.IGNORECASE | re.DOTALL)


def must_contain(
    text: str, *, texts: Sequence[str], ignore_case: bool = True, whole_words: bool = False
) -> str | None:
    """Every one of the texts occurs."""
    lacking = [one for one in texts if not _occurs(one, text, ignore_case, whole_words)]
    return f"lacks {_listed(lacking)}" if lacking else None


def must_not_contain(
    text: str, *, texts: Sequence[str], ignore_case: bool = True, whole_words: bool = True
) -> str | None:
    """None of the texts occurs."""
    found = [one for one in texts if _occurs(one, text, ignore_case, whole_words)]
    return f"has {_listed(found)}" if found else None


def starts_with(text: str, *, phrase: str, ignore_case: bool = False) -> str | None:
    """The text begins so, white space apart."""
    begins = _folded(text.lstrip(), ignore_case).startswith(_folded(phrase.strip(), ignore_case))
    return None if begins else f"begins with {text.strip()[:30]!r}"


def ends_with(text: str, *, phrase: str, ignore_case: bool = True) -> str | None:
    """The text ends so, white space and a closing quotation mark apart."""
    ends = _folded(text.strip().strip('"'), ignore_case).endswith(_folded(phrase.strip(), ignore_case))
    return None if ends else f"ends with {text.strip()[-30:]!r}"


def one_of(text: str, *, texts: Sequence[str], whole: bool = False) -> str | None:
    """One of the texts occurs; with `whole` it is all that there is."""
    found = text.strip() in texts if whole else any(one in text for one in texts)
    return None if found else f"is none of {_listed(texts)}"


def repeats(text: str, *, request: str) -> str | None:
    """The text begins by repeating a request, in whatever case."""
    return starts_with(text, phrase=request, ignore_case=True)


def no_commas(text: str) -> str | None:
    """No comma, full-width and Arabic ones included."""
    found = re.findall("[,\uff0c\u060c]", text)
    return f"{len(found)} commas" if found else None


def upper_case(text: str, *, language: str | None = None) -> str | None:
    """Every letter is a capital; `language` as for that constraint."""
    if not text.isupper():
        return "not in capital letters alone"
    return None if language is None else in_language(text, language=language)


def lower_case(text: str, *, language: str | None = None) -> str | None:
    """No letter is a capital; `language` as for that constraint."""
    if not text.islower():
        return "not in lower-case letters alone"
    return None if language is None else in_language(text, language=language)


def in_language(text: str, *, language: str) -> str | None:
    """Most of the text is in the language (ISO 639-1).

    Where the language cannot be told (no letters, a few names), the text follows, as in the reference.
    """
    found = language_of(text)
    return None if found in {language, None} else f"reads as {found}"


def quoted(text: str, *, typographic: bool = True) -> str | None:
    """The whole text stands in quotation marks."""
    text = text.strip()
    marks = _QUOTES if typographic else {'"': '"'}
    wrapped = len(text) > 1 and marks.get(text[0]) == text[-1]
    return None if wrapped else "not wrapped in quotation marks"


def title(text: str) -> str | None:
    """There is a title in double angular brackets: <<title>>."""
    found = any(one.strip("<> ") for one in re.findall(r"<<[^\n]+>>", text))
    return None if found else "no <<title>>"


def postscript(text: str, *, marker: str = "P.S.") -> str | None:
    """There is a postscript that begins with the marker, in whatever case."""
    marker = marker.strip().lower()
    known = {"p.p.s": r"p\.\s?p\.\s?s", "p.s.": r"p\.\s?s\."}
    found = re.search(known.get(marker, re.escape(marker)), text.lower())
    return None if found else f"no {marker.upper()}"


def two_responses(text: str, *, divider: str = "******") -> str | None:
    """Exactly two different answers, with a line of asterisks between them."""
    parts = text.split(divider)
    if any(not part.strip() for part in parts[1:-1]):
        return "an empty answer between two dividers"
    answers = [part.strip() for part in parts if part.strip()]
    if len(answers) != 2:  # noqa: PLR2004 - two
        return f"{len(answers)} answers, not 2"
    return None if answers[0] != answers[1] else "twice the same answer"


def paragraph_start(text: str, *, paragraphs: int, number: int, word: str) -> str | None:
    """There are so many paragraphs, two line breaks between them, and the given one begins with the word."""
    parts = text.split("\n\n")
    count = sum(bool(part.strip()) for part in parts)
    if count != paragraphs:
        return f"{count} paragraphs, not {paragraphs}"
    begins = re.match(r"[\"'“]*([^\s.,?!'\"]*)", parts[number - 1].strip()) if number <= count else None
    first = begins[1].lower() if begins else ""
    return None if first == word.strip().lower() else f"paragraph {number} begins with {first!r}"


def is_json(text: str) -> str | None:
    """The whole text is JSON, in a fenced block or not."""
    return _parsed(text)[1]


def json_schema(text: str, *, schema: Mapping[str, Any]) -> str | None:
    """The whole text is JSON that a schema allows (evalkit.json_schema says what of schemas is known)."""
    value, broken = _parsed(text)
    return broken or problem(value, schema)


def _parsed(text: str) -> tuple[Any, str | None]:
    fenced = _FENCE.fullmatch(text.strip())
    try:
        return json.loads(fenced[1] if fenced else text), None
    except (ValueError, RecursionError):
        return None, "no JSON"


def _occurs(one: str, text: str, ignore_case: bool, whole_words: bool) -> bool:  # noqa: FBT001 - options passed on
    flags = re.IGNORECASE if ignore_case else 0
    return re.search(as_pattern(one, whole_words=whole_words), text, flags) is not None


def _folded(text: str, ignore_case: bool) -> str:  # noqa: FBT001 - an option passed on
    return text.lower() if ignore_case else text


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(map(repr, texts))


CHECKS: Mapping[str, Callable[..., str | None]] = {
    "must_contain": must_contain,
    "must_not_contain": must_not_contain,
    "starts_with": starts_with,
    "ends_with": ends_with,
    "one_of": one_of,
    "repeats": repeats,
    "no_commas": no_commas,
    "upper_case": upper_case,
    "lower_case": lower_case,
    "language": in_language,
    "quoted": quoted,
    "title": title,
    "postscript": postscript,
    "two_responses": two_responses,
    "paragraph_start": paragraph_start,
    "json": is_json,
    "json_schema": json_schema,
}
"""By type: what is checked."""
