"""Post-processing: named steps that turn a response's text into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from evalkit.errors import ConfigError


class Unparsed(Exception):  # noqa: N818 - a finding about an answer, not an error of the program
    """The output has no prediction in it; the message says what was looked for."""


class Step:
    """One step: text (or what the step before left) in, text or value out."""

    name: ClassVar[str]

    def __call__(self, value: Any) -> Any:
        """Return the next value; raise Unparsed when the output does not hold one."""
        raise NotImplementedError


class Strip(Step):
    """Remove white space around the text."""

    name = "strip"

    def __call__(self, value: Any) -> Any:
        return value.strip()


class FirstLine(Step):
    """Keep the first line that is not blank."""

    name = "first_line"

    def __call__(self, value: Any) -> Any:
        for line in value.splitlines():
            if line.strip():
                return line.strip()
        raise Unparsed("no line of text")


class Regex(Step):
    """Keep what a pattern captures: group 1 (the whole match without groups), of the first or last match."""

    name = "regex"

    def __init__(
        self, *, pattern: str, group: int | None = None, match: str = "first", ignore_case: bool = False
    ) -> None:
        try:
            self._pattern = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
        except re.error as error:
            raise ConfigError(f"post-processing step regex: bad pattern {pattern!r} ({error})") from None
        if match not in {"first", "last"}:
            raise ConfigError(f'post-processing step regex: match is "first" or "last", not {match!r}')
        self._group = min(1, self._pattern.groups) if group is None else group
        if not 0 <= self._group <= self._pattern.groups:
            raise ConfigError(
                f"post-processing step regex: no group {group} in {pattern!r}, "
                f"which has {self._pattern.groups}"
            )
        self._last = match == "last"

    def __call__(self, value: Any) -> Any:
        matches = list(self._pattern.finditer(value)) if self._last else [self._pattern.search(value)]
        found = matches[-1] if matches else None
        text = None if found is None else found.group(self._group)
        if text is None:
            raise Unparsed(f"nothing matches {self._pattern.pattern!r}")
        return text


class JsonField(Step):
    """Keep one field (dots reach in) of the first JSON object in the text, fenced or amid prose."""

    name = "json_field"

    def __init__(self, *, field: str) -> None:
        self._path = field.split(".")

    def __call__(self, value: Any) -> Any:
        found = _first_object(value)
        for part in self._path:
            if not isinstance(found, Mapping) or part not in found:
                raise Unparsed(f'the JSON answer has no field "{".".join(self._path)}"')
            found = found[part]
        if found is None:
            raise Unparsed(f'the field "{".".join(self._path)}" is null')
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


class Label(Step):
    """Map the text to one of `labels`, which may have `aliases` (other spellings, other languages).

    The whole text is tried first; else a single label must be named in it: none, or two different ones,
    is unparsed.
    """

    name = "label"

    def __init__(self, *, labels: Sequence[str], aliases: Mapping[str, Sequence[str]] | None = None) -> None:
        strangers = set(aliases or {}) - set(labels)
        if strangers:
            raise ConfigError(
                f"post-processing step label: aliases for {sorted(strangers)}, which are no labels "
                f"({', '.join(labels)})"
            )
        self._labels = list(labels)
        self._spellings = {
            _fold(spelling): label
            for label in labels
            for spelling in (label, *((aliases or {}).get(label) or ()))
        }
        self._pattern = re.compile(
            "|".join(_as_word(one) for one in sorted(self._spellings, key=len, reverse=True))
        )

    def __call__(self, value: Any) -> Any:
        text = _fold(value)
        if text in self._spellings:
            return self._spellings[text]
        named = {self._spellings[match.group()] for match in self._pattern.finditer(text)}
        if len(named) == 1:
            return named.pop()
        if named:
            raise Unparsed(f"names several labels: {', '.join(sorted(named))}")
        raise Unparsed(f"names none of the labels {', '.join(self._labels)}")


class Pipeline:
    """Steps in order; `describe` is what the report shows."""

    def __init__(self, steps: Sequence[Step], describe: Sequence[Any] = ()) -> None:
        self._steps = tuple(steps)
        self.describe = list(describe)

    def __call__(self, text: str) -> Any:
        """Return the prediction; raise Unparsed with the step's name and reason."""
        value: Any = text
        for step in self._steps:
            try:
                value = step(value)
            except Unparsed as reason:
                raise Unparsed(f"{step.name}: {reason}") from None
        return value


STEPS: dict[str, type[Step]] = {step.name: step for step in (Strip, FirstLine, Regex, JsonField, Label)}


def _first_object(text: str) -> Any:
    """Return the first JSON object in a text, whatever prose or fence stands around it."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    while start >= 0:
        try:
            return decoder.raw_decode(text, start)[0]
        except (json.JSONDecodeError, RecursionError):
            start = text.find("{", start + 1)
    raise Unparsed("no JSON object")


def _fold(text: str) -> str:
    """Case, width and surrounding punctuation do not tell labels apart."""
    text = unicodedata.normalize("NFKC", text).casefold().strip()
    while text and unicodedata.category(text[0])[0] in "PSZ":
        text = text[1:]
    while text and unicodedata.category(text[-1])[0] in "PSZ":
        text = text[:-1]
    return text


def _as_word(spelling: str) -> str:
    """A Latin word must stand alone ("positive", not "positively"); scripts without spaces cannot."""
    escaped = re.escape(spelling)
    return rf"(?<!\w){escaped}(?!\w)" if spelling.isascii() else escaped
