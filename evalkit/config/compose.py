"""Compose settings with Hydra, check them against the schema, and explain what is wrong in our own words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from evalkit import search_path
from evalkit.config.schema import RunConfig
from evalkit.errors import ConfigError, did_you_mean

PRIMARY = "evalkit"
OPEN = ("dataset.input", "prompt.variables", "model.extra", "model.options")


def register_schema() -> None:
    """Store the schema that configs/evalkit.yaml starts from."""
    ConfigStore.instance().store(name="evalkit_schema", node=_schema())


def load(overrides: Sequence[str] = ()) -> RunConfig:
    """Return the settings for these Hydra overrides; ConfigError says what is wrong with them."""
    return checked(composed(overrides))


def composed(overrides: Sequence[str]) -> DictConfig:
    """Compose without checking for stray keys."""
    from hydra import compose, initialize_config_dir

    register_schema()
    with (
        our_search_path(),
        explained(overrides),
        initialize_config_dir(str(config_dir()), version_base="1.3"),
    ):
        return compose(PRIMARY, overrides=list(overrides))


def config_dir() -> Path:
    """Return the folder of the shipped configs."""
    return search_path.shipped("configs").resolve()


def checked(composed_config: DictConfig) -> RunConfig:
    """Return typed settings; a key that is not in the schema is refused even when forced in with `+`."""
    plain = OmegaConf.to_container(composed_config, resolve=True)
    with explained(()):
        merged = OmegaConf.merge(_schema(), plain)
        config = OmegaConf.to_object(merged)
    assert isinstance(config, RunConfig)
    return config


@contextmanager
def our_search_path() -> Iterator[None]:
    """Let the search-path plugin act while evalkit composes."""
    search_path.active = True
    try:
        yield
    finally:
        search_path.active = False


@contextmanager
def explained(overrides: Sequence[str]) -> Iterator[None]:
    """Turn what Hydra and OmegaConf raise into ConfigError."""
    try:
        yield
    except OverrideParseException as error:
        raise ConfigError(_grammar(error.override)) from None
    except MissingConfigException as error:
        raise ConfigError(_missing_config(error)) from None
    except (ConfigCompositionException, OmegaConfBaseException) as error:
        raise ConfigError(_composition(error, overrides)) from None
    except HydraException as error:
        raise ConfigError(_first_line(error)) from None


def _schema() -> DictConfig:
    node = OmegaConf.structured(RunConfig)
    for path in OPEN:
        # Free names are the point here (dataset.input.question=column); everything else stays closed.
        OmegaConf.set_struct(OmegaConf.select(node, path), value=False)
    OmegaConf.set_struct(node.metrics, value=False)
    return node  # type: ignore[no-any-return]


def _grammar(override: str) -> str:
    name, separator, value = override.partition("=")
    if not separator:
        return (
            f"{override!r} is no setting; write group=choice or setting=value "
            "(evalkit list shows tasks, datasets, models and metrics)"
        )
    quoted = value.replace("\\", "\\\\").replace("'", "\\'")
    shell = f"\"{name}='{quoted}'\"".replace("\\\\", "\\") if '"' not in value else f"{name}='…'"
    return (
        f"{override!r} does not follow Hydra's grammar; values with commas, =, ~, #, brackets or "
        f"non-ASCII text need quotes inside the shell's quotes: {shell}"
    )


def _missing_config(error: MissingConfigException) -> str:
    missing = str(error.missing_cfg_file or "")
    group, _, choice = missing.removesuffix(".yaml").rpartition("/")
    folder = config_dir() / group
    options = sorted({*(error.options or ()), *(path.stem for path in folder.glob("*.yaml"))})
    if not group:
        return _first_line(error)
    return f'no {group} "{choice}"{did_you_mean(choice, options)}; there are {", ".join(options)}'


def _composition(error: Exception, overrides: Sequence[str]) -> str:
    """Name the key at fault with its nearest neighbour, or fall back on the first line of the message."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, OmegaConfBaseException):
        cause = cause.__cause__
    text = str(error)
    if cause is not None:
        key = str(cause.full_key or cause.key or "")
        parent_path, _, leaf = key.rpartition(".")
        parent = OmegaConf.select(_schema(), parent_path) if parent_path else _schema()
        if isinstance(parent, DictConfig) and leaf and leaf not in parent:
            names = [str(name) for name in parent]
            elsewhere = [path for path in _paths(_schema()) if path.endswith(f".{leaf}")]
            near = f' (did you mean "{elsewhere[0]}"?)' if elsewhere else did_you_mean(leaf, names)
            return f"{key} is no setting{near}; {parent_path or 'the top level'} has {', '.join(names)}"
        if key:
            return f"{_override_of(key, overrides) or key}: {_first_line(cause)}"
    match = re.search(
        r"Could not find match for '(?P<key>[^']+)'|Could not override '(?P<other>[^']+)'", text
    )
    if match:
        key = match["key"] or match["other"]
        return f"{key} is no setting or group{did_you_mean(key, _top_level())}; see evalkit run --help"
    return _first_line(error)


def _paths(node: DictConfig, above: str = "") -> Iterator[str]:
    for name, value in node.items():
        path = above + str(name)
        yield path
        if isinstance(value, DictConfig):
            yield from _paths(value, f"{path}.")


def _override_of(key: str, overrides: Sequence[str]) -> str | None:
    return next((one for one in overrides if one.lstrip("+").partition("=")[0] == key), None)


def _top_level() -> list[str]:
    return [str(name) for name in _schema()] + [one.name for one in config_dir().iterdir() if one.is_dir()]


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def plain(config: RunConfig) -> dict[str, Any]:
    """Return the settings as plain data for the report."""
    value = OmegaConf.to_container(OmegaConf.structured(config), resolve=True)
    assert isinstance(value, dict)
    return {str(key): one for key, one in value.items()}
