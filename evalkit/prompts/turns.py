"""What the user says in a conversation: turns that are fixed, or depend on the model's last reply."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import PromptError
from evalkit.prompts.content import field_of
from evalkit.records import Sample

FORM = "a text, or {if: PATTERN, say: TEXT, else: TEXT} on the model's last reply (null: nothing is said)"


def said(name: str, sample: Sample, replies: Sequence[str], prompt: str) -> list[str]:
    """Return what the user has said after these replies, the next thing last.

    It is as long as the replies when the conversation is over. A conditional turn whose case has no text is
    passed over. PromptError when the field holds no turns.
    """
    turns = field_of(name, "turns", sample, prompt)
    if isinstance(turns, str):
        turns = [turns]
    if not isinstance(turns, Sequence) or not turns:
        raise PromptError(
            f'prompt {prompt}, sample "{sample.id}": {name} must be a list of turns, each {FORM}'
        )
    texts: list[str] = []
    for place, turn in enumerate(turns, start=1):
        if len(texts) > len(replies):
            break
        last = replies[len(texts) - 1] if texts else ""
        text = _text(turn, last, f'prompt {prompt}, sample "{sample.id}", {name}, turn {place}')
        if text is not None:
            texts.append(text)
    if not texts:
        raise PromptError(f'prompt {prompt}, sample "{sample.id}": {name} begins with nothing to say')
    return texts


def most(name: str, sample: Sample, prompt: str) -> int:
    """Return how many questions a conversation has at most."""
    turns = field_of(name, "turns", sample, prompt)
    return 1 if isinstance(turns, str) else len(turns)


def _text(turn: Any, last: str, where: str) -> str | None:
    """Return what is said in a turn; None for nothing."""
    while isinstance(turn, Mapping):
        if not set(turn) <= {"if", "say", "else"} or not isinstance(turn.get("if"), str):
            raise PromptError(f"{where}: must be {FORM}; got {turn!r}")
        try:
            found = re.search(turn["if"], last, re.IGNORECASE)
        except re.error as error:
            raise PromptError(f"{where}: bad pattern {turn['if']!r} ({error})") from None
        turn = turn.get("say") if found else turn.get("else")
    if turn is not None and not isinstance(turn, str):
        raise PromptError(f"{where}: must be {FORM}; got {turn!r}")
    return turn
