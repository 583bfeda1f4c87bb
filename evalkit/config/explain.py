"""What Hydra and OmegaConf raise, in our own words: what is wrong, where, and a spelling that works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from evalkit.config.schema import open_schema
from evalkit.errors import ConfigError, did_you_mean
from evalkit.search_path import shipped

NAMED = 30  # choices spelled out in a message
TYPES = {"Integer": "a whole number", "Float": "a number", "bool": "true or false"}


@contextmanager
def explained(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra, OmegaConf and the YAML reader raise into ConfigError."""
    try:
        yield
    except OverrideParseException as error:
        raise ConfigError(_grammar(error.override)) from error
    except MissingConfigException as error:
        raise ConfigError(_missing_config(error)) from error
    except (ConfigCompositionException, OmegaConfBaseException) as error:
        raise ConfigError(_composition(error, overrides)) from error
    except YAMLError as error:
        raise ConfigError(f"bad YAML: {error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"a config file is not UTF-8 ({error}); save it as UTF-8") from error
    except (HydraException, ValueError) as error:  # Hydra raises bare ValueErrors too: metrics=null
        raise ConfigError(_first_line(error)) from error


def _grammar(override: str) -> str:
    name, separator, value = override.partition("=")
    if not separator:
        return (
            f"{override!r} is no setting; write group=choice or setting=value "
            "(evalkit list shows tasks, datasets, models and metrics)"
        )
    wrong = f"{override!r} does not follow Hydra's grammar"
    if value.startswith("[") or re.match(r"\{(?!\{)", value):
        return f"{wrong}; a list is written [a,b], a mapping {{key: value}}, with quotes around texts inside"
    if _parses(f"{name}={quoted(value)}"):
        return (
            f"{wrong}; values with commas, =, ~, #, brackets, quotes or non-ASCII text need quotes "
            f"inside the shell's quotes: {shlex.quote(f'{name}={quoted(value)}')}"
        )
    parent, _, leaf = name.rpartition(".")
    spelling = f"{parent}={{{leaf}: {quoted(value)}}}"
    if parent and _parses(spelling):
        return f"{wrong}; a name with such characters goes into a mapping: {shlex.quote(spelling)}"
    return f"{wrong}: {name!r} can be set in a file of ./configs only; names here are ASCII without spaces"


def quoted(value: str) -> str:
    r"""Return a value as Hydra's grammar quotes it: only quotes, and backslashes before one, are escaped."""
    quote = "'" if '"' in value and "'" not in value else '"'
    escaped = re.sub(
        rf"(\\*)({quote}|$)", lambda match: match[1] * 2 + (f"\\{quote}" if match[2] else ""), value
    )
    return f"{quote}{escaped}{quote}"


def _parses(override: str) -> bool:
    try:
        OverridesParser.create().parse_override(override)
    except HydraException:
        return False
    return True


def _missing_config(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, choice = missing.removesuffix(".yaml").rpartition("/")
    if not group:
        return _first_line(error)
    found = {path.stem for path in (shipped("configs") / group).glob("*.yaml")}
    options = sorted({*(error.options or ()), *found})
    if not options:
        return f'no {group} "{choice}", and no group {group}; evalkit run --help shows the groups'
    there = f"there are {', '.join(options)}"
    if len(options) > NAMED:
        there = f"evalkit list {group.removesuffix('s')}s shows the {len(options)} that there are"
    return f'no {group} "{choice}"{did_you_mean(choice, options)}; {there}'


def _composition(error: Exception, overrides: Sequence[str]) -> str:
    """Name the key at fault with its nearest neighbour, or fall back on the first line of the message."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__ or cause.__context__
    text = str(error)
    inside = re.match(r"In '([^']+)':", text)
    where = f"{inside[1]}.yaml: " if inside else ""
    if cause is not None:
        key = str(cause.full_key or cause.key or "")
        unknown = _unknown(key)
        if unknown:
            return where + unknown
        if key:
            return f"{where}{_override_of(key, overrides) or key}: {_conversion(_first_line(cause))}"
    ambiguous = re.search(r"Ambiguous value for argument '(?P<override>.+)'", text)
    if ambiguous:
        name, _, value = ambiguous["override"].partition("=")
        return (
            f"{ambiguous['override']} names several values: evalkit run -m runs each, a list is [a,b], "
            f"and one text needs quotes inside the shell's quotes: {shlex.quote(f'{name}={quoted(value)}')}"
        )
    match = re.search(
        r"Could not find match for '(?P<key>[^']+)'|Could not override '(?P<other>[^']+)'", text
    )
    if match:
        key = match["key"] or match["other"]
        return f"{key} is no setting or group{did_you_mean(key, _top_level())}; see evalkit run --help"
    return _first_line(error)


def _unknown(key: str) -> str | None:
    """Return the message for a key that the schema does not have; None when it has it."""
    schema = open_schema()
    parent_path, _, leaf = key.rpartition(".")
    parent = OmegaConf.select(schema, parent_path) if parent_path else schema
    if not isinstance(parent, DictConfig) or not leaf or leaf in parent:
        return None
    names = [str(name) for name in parent]
    elsewhere = [path for path in _paths(schema) if path.endswith(f".{leaf}")]
    near = f' (did you mean "{elsewhere[0]}"?)' if elsewhere else did_you_mean(leaf, names)
    return f"{key} is no setting{near}; {parent_path or 'the top level'} has {', '.join(names)}"


def _conversion(message: str) -> str:
    """Say what a value must be instead of what could not be converted; other messages stay."""
    match = re.search(
        r"'(?P<value>.*?)'(?: of type '\w+' could not be converted to | is not a valid )(?P<type>\w+)",
        message,
    )
    if match is None or match["type"] not in TYPES:
        return message
    return f"must be {TYPES[match['type']]}, got {match['value']!r}"


def _paths(node: DictConfig, above: str = "") -> Iterator[str]:
    for name, value in node.items():
        path = above + str(name)
        yield path
        if isinstance(value, DictConfig):
            yield from _paths(value, f"{path}.")


def _override_of(key: str, overrides: Iterable[str]) -> str | None:
    return next((one for one in overrides if one.lstrip("+").partition("=")[0] == key), None)


def _top_level() -> list[str]:
    groups = [one.name for one in shipped("configs").iterdir() if one.is_dir()]
    return [str(name) for name in open_schema()] + groups


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
