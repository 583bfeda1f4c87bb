"""A field of a JSON answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import reduce
from itertools import islice
from typing import Any

from evalkit.postprocess.base import Step, Unparsed

_OBJECT_START = re.compile(r'\{(?=\s*["}])')
_OBJECT_STARTS = 1000  # braces tried: every failed parse reads on, and a broken answer may be all braces


class JsonField(Step):
    """Keep one field (dots reach in) of the first JSON object that has it, fenced or amid prose."""

    name = "json_field"

    def __init__(self, *, field: str) -> None:
        self._field = field
        self._path = field.split(".")

    def __call__(self, value: Any) -> Any:
        answers = list(objects_in(value))
        for answer in answers:
            try:
                return self._text(reduce(_member, self._path, answer))
            except KeyError:
                continue
        raise Unparsed(f'the JSON answer has no field "{self._field}"' if answers else "no JSON object")

    def _text(self, found: Any) -> str:
        if found is None:
            raise Unparsed(f'the field "{self._field}" is null')
        return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, Mapping):
        raise KeyError(name)
    return value[name]


def objects_in(text: str) -> Iterator[Any]:
    """Yield the JSON objects in a text, outermost first, whatever prose or fence stands around them."""
    decoder = json.JSONDecoder()
    end = 0
    for brace in islice(_OBJECT_START.finditer(text), _OBJECT_STARTS):
        if brace.start() >= end:
            try:
                found, end = decoder.raw_decode(text, brace.start())
            except (ValueError, RecursionError):  # also a number of more digits than Python reads
                continue
            yield found
