"""Studies: an experiment's `sweep` mapping -> the overrides of a sweep, as a user would write them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.config.compose import load
from evalkit.config.explain import quoted
from evalkit.errors import ConfigError

GROUP = "experiment"
PLAIN = re.compile(r"[\w.:/+-]+", re.ASCII)


def axes(overrides: Sequence[str]) -> list[str]:
    """Return `setting=value,value` for each axis of the experiment that the overrides choose.

    A setting that the command line names itself is no axis of the study any more.
    """
    chosen = [word.partition("=")[2] for word in overrides if word.partition("=")[0] == GROUP]
    if not chosen:
        return []
    names = chosen[-1].split(",")
    studies = {name: load([f"{GROUP}={name}"]).sweep for name in names}
    if len(names) > 1 and any(studies.values()):
        raise ConfigError(f"{GROUP}={chosen[-1]}: an experiment with a sweep of its own runs alone")
    named = {word.lstrip("+~").partition("=")[0] for word in overrides}
    return [_axis(name, values) for name, values in studies[names[0]].items() if name not in named]


def _axis(name: str, values: Any) -> str:
    if not isinstance(values, list) or not values:
        raise ConfigError(f"sweep.{name}: must be a list of the values to run with, got {values!r}")
    return f"{name}={','.join(_word(one) for one in values)}"


def _word(value: Any) -> str:
    """Spell a value in Hydra's grammar."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value if PLAIN.fullmatch(value) else quoted(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_word(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_word(one) for one in value) + "]"
    raise ConfigError(f"sweep: {value!r} cannot be written on a command line")
