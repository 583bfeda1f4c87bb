"""The steps by name, and pipelines built from settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.plugins import Classes, named
from evalkit.preprocess.base import Pipeline, Step

STEPS: Mapping[str, type[Step]] = Classes(
    "evalkit.preprocess",
    {
        "strip": "spelling.Strip",
        "whitespace": "spelling.WhiteSpace",
        "unicode": "spelling.Unicode",
        "lower": "spelling.Lower",
        "sentences": "sentences.Sentences",
        "words": "words.Words",
        "stop_words": "words.StopWords",
        "segment": "segment.Segment",
        "truncate": "budget.Truncate",
        "chunks": "budget.Chunks",
    },
)


def build(steps: Any, setting: str) -> Pipeline:
    """Return the steps: each a name, a name with options, or a class by `_target_`."""
    if not isinstance(steps, Sequence) or isinstance(steps, str) or not steps:
        raise ConfigError(
            f"{setting}: a list of steps, like [strip, {{truncate: {{tokens: 512}}}}], not {steps!r}"
        )
    made = [named(one, STEPS, f"{setting}[{place}]") for place, one in enumerate(steps)]
    for place, one in enumerate(made):
        if not isinstance(one, Step):
            raise ConfigError(
                f"{setting}[{place}]: {type(one).__name__} is no subclass of evalkit.preprocess.base.Step"
            )
    return Pipeline(made, list(steps), setting)
