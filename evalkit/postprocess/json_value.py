"""A JSON answer as data."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from evalkit.postprocess.base import Step, Unparsed
from evalkit.postprocess.json_field import objects_in

_FENCED = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)


class JsonValue(Step):
    """Keep the JSON object or list that the answer is: the whole text, a fenced block, or amid prose.

    Amid prose the first object counts. With `strict` only the whole text does.
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
        for one in objects_in(value):
            return one
        raise Unparsed("no JSON object")


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")
