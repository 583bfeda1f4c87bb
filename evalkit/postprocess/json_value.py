"""A JSON answer as data."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, NoReturn

from evalkit.postprocess.base import Step, Unparsed

_FENCED = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_START = re.compile(r'\{(?=\s*["}])')
_STARTS = 1000  # braces tried: every failed parse reads on, and a broken answer may be all braces


class JsonValue(Step):
    """Keep the JSON object or list that the answer is: the whole text, a fenced block, or amid prose.

    Amid prose the first whole object counts, and none that lies in one that is broken or cut off. With
    `strict` only the whole text does.
    """

    name = "json"

    def __init__(self, *, strict: bool = False) -> None:
        self._strict = strict

    def __call__(self, value: Any) -> Any:
        for text in [value] if self._strict else [value, *_FENCED.findall(value)]:
            try:
                found = json.loads(text, parse_constant=_refuse)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, (dict, list)):
                return found
        if self._strict:
            raise Unparsed("the answer is no JSON object")
        return _amid_prose(value)


def _amid_prose(text: str) -> Any:
    decoder = json.JSONDecoder(parse_constant=_refuse)
    for brace in islice(_START.finditer(text), _STARTS):
        start = brace.start()
        if text.count("{", 0, start) > text.count("}", 0, start):
            continue
        try:
            return decoder.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    raise Unparsed("no whole JSON object")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
