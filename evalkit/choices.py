"""A question's choices: their letters, which of them a target names, and how they were shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.records import Sample, text_of

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHOICES, ORDER = "choices", "order"


def letter_of(place: int) -> str:
    """Return the letter of a choice by its place from 0; ValueError beyond Z."""
    if not 0 <= place < len(LETTERS):
        raise ValueError(f"no letter for choice {place}: there are {len(LETTERS)}, A to Z")
    return LETTERS[place]


def choices_of(fields: Mapping[str, Any], field: str = CHOICES) -> tuple[str, ...] | None:
    """Return the texts of a question's choices; None where it has none. ValueError for what is no list."""
    found = fields.get(field)
    if found is None:
        return None
    if isinstance(found, str) or not isinstance(found, Sequence) or not 1 < len(found) <= len(LETTERS):
        raise ValueError(f"{field} must be a list of 2 to {len(LETTERS)} choices, got {found!r}")
    return tuple(text_of(one).strip() for one in found)


def order_of(sample: Sample, n: int) -> tuple[int, ...]:
    """Return of each of n choices as shown the place that it has in the data."""
    order = sample.added.get(ORDER)
    return tuple(range(n)) if order is None else tuple(order)


def right_choices(target: Any, choices: Sequence[str]) -> frozenset[int]:
    """Return the places of the choices that a target names; ValueError that says why it names none.

    A target is a place from 0, a letter, a choice's text, a list of these, or a list of a 0 or 1 for each
    choice (TruthfulQA's labels). A text that is a letter too, of another choice, is refused: nobody knows
    which is meant. So is a number written as text: some data sets count from 0 and some from 1.
    """
    if isinstance(target, list | tuple):
        return _several(target, choices)
    return frozenset({_one(target, choices)})


def question_in(sample: Sample, field: str = CHOICES) -> tuple[tuple[str, ...], frozenset[int]]:
    """Return a sample's choices in the data's order and which are right; ValueError where it has none."""
    choices = choices_of(sample.input, field)
    if choices is None:
        raise ValueError(f"no field {field}; map a list with dataset.input.{field}=<column>")
    if sample.target is None:
        raise ValueError("no target; set dataset.target=<column>")
    return choices, right_choices(sample.target, choices)


def place_named(prediction: Any, n: int) -> int | None:
    """Return the place of the choice that a prediction names by its letter; None where it names none of n.

    A prediction with the choices' probabilities is an object whose `answer` is the letter.
    """
    found = prediction.get("answer") if isinstance(prediction, Mapping) else prediction
    letter = found.strip().upper() if isinstance(found, str) else ""
    return LETTERS.index(letter) if len(letter) == 1 and letter in LETTERS[:n] else None


def letters_of(places: frozenset[int]) -> str:
    """Return places as letters for a message: `B or D`."""
    return " or ".join(letter_of(place) for place in sorted(places))


def letter_filter(target: Any, choices: Sequence[Any] | None = None) -> str:
    """Return the letter that a template shows: of a place from 0, or of the choice that a target names."""
    if choices is None:
        return letter_of(int(target))
    right = right_choices(target, [text_of(one).strip() for one in choices])
    return letter_of(min(right))


def _several(target: Sequence[Any], choices: Sequence[str]) -> frozenset[int]:
    mask = all(isinstance(one, int) and one in (0, 1) for one in target)
    if mask and len(target) == len(choices):
        right = frozenset(place for place, one in enumerate(target) if one)
    else:
        right = frozenset(_one(one, choices) for one in target)
    if not right:
        raise ValueError(f"the target {list(target)!r} names no choice")
    return right


def _one(target: Any, choices: Sequence[str]) -> int:
    n = len(choices)
    if isinstance(target, int) and not isinstance(target, bool):
        if not 0 <= target < n:
            raise ValueError(f"the target {target} is no place of {n} choices, which count from 0")
        return target
    text = text_of(target).strip()
    named = [place for place, one in enumerate(choices) if one == text]
    bare = text.strip("().").upper() if len(text) <= 3 else ""  # noqa: PLR2004 - "(B)"
    letter = LETTERS.index(bare) if len(bare) == 1 and bare in LETTERS[:n] else None
    if len(named) > 1:
        raise ValueError(f'the target "{text}" is the text of several choices; give a letter or a place')
    if named and letter is not None and named[0] != letter:
        raise ValueError(f'the target "{text}" is a letter and the text of another choice; give a place')
    if named:
        return named[0]
    if letter is None:
        hint = (
            "; whether numbers count from 0 or 1 nobody knows: dataset.labels={0: A, 1: B, …} says so"
            if text.isdecimal()
            else ""
        )
        last = letter_of(n - 1)
        raise ValueError(
            f'the target "{text}" is neither a letter, A to {last}, nor the text of a choice{hint}'
        )
    return letter
