"""Steps that take a part of the text."""

from __future__ import annotations

import re
from typing import Any

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Step, Unparsed


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
        except (re.error, OverflowError, RecursionError) as error:
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
