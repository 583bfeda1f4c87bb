"""A whole JSON answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.postprocess.base import Step, Unparsed
from evalkit.postprocess.json_field import objects_in


class JsonObject(Step):
    """Keep the first JSON object that has all of `fields`, fenced or amid prose, as an object."""

    name = "json_object"

    def __init__(self, *, fields: Sequence[str] = ()) -> None:
        if isinstance(fields, str):
            raise ConfigError("post-processing step json_object: fields must be a list of names")
        self._fields = tuple(fields)

    def __call__(self, value: Any) -> Any:
        lacking: list[str] = []
        for found in objects_in(value):
            missing = [name for name in self._fields if name not in found]
            if not missing:
                return found
            lacking = lacking or missing
        raise Unparsed(f"the JSON answer has no field {', '.join(lacking)}" if lacking else "no JSON object")
