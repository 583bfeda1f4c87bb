"""The steps by name, and pipelines built from settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from evalkit.errors import ConfigError
from evalkit.plugins import named
from evalkit.preprocess.base import Pipeline, Step
from evalkit.preprocess.budget import Chunks, Truncate
from evalkit.preprocess.segment import Segment
from evalkit.preprocess.sentences import Sentences
from evalkit.preprocess.spelling import Lower, Strip, Unicode, WhiteSpace
from evalkit.preprocess.words import StopWords, Words

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (Strip, WhiteSpace, Unicode, Lower, Sentences, Words, StopWords, Segment, Truncate, Chunks)
}


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
