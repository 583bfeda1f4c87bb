"""Compose settings with Hydra and check them against the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

from evalkit import search_path
from evalkit.config.explain import explained
from evalkit.config.schema import RunConfig, open_schema, schema
from evalkit.config.trust import check_primary
from evalkit.errors import ConfigError

PRIMARY = "evalkit"
SCHEMA = "evalkit_schema"


def register_schema() -> None:
    """Store the schema that configs/evalkit.yaml starts from, once."""
    store = ConfigStore.instance()
    if f"{SCHEMA}.yaml" not in store.repo:
        store.store(name=SCHEMA, node=schema())


def load(overrides: Sequence[str] = ()) -> RunConfig:
    """Return the settings for these Hydra overrides; ConfigError says what is wrong with them."""
    return checked(composed(overrides), overrides)


def composed(overrides: Sequence[str]) -> DictConfig:
    """Compose without checking for stray keys."""
    from hydra import compose, initialize_config_dir

    register_schema()
    with (
        our_search_path(),
        explained(overrides),
        initialize_config_dir(str(config_dir()), version_base="1.3"),
    ):
        check_primary(PRIMARY)
        return compose(PRIMARY, overrides=list(overrides))


def config_dir() -> Path:
    """Return the folder of the shipped configs."""
    return search_path.shipped("configs").resolve()


def checked(composed_config: DictConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """Return typed settings; a key that is not in the schema is refused even when forced in with `+`."""
    with explained(overrides):
        # What was composed on the schema holds values that were checked one by one; to merge it into the
        # schema checks them again, and takes ten times as long.
        try:
            config = OmegaConf.to_object(composed_config)
        except (MissingMandatoryValue, InterpolationToMissingValueError):
            missing = min(OmegaConf.missing_keys(composed_config))
            raise ConfigError(f"{missing} has no value yet (???); set {missing}=…") from None
        if not _as_declared(config, RunConfig()):
            plain = OmegaConf.to_container(composed_config, resolve=True)
            config = OmegaConf.to_object(OmegaConf.merge(open_schema(), plain))
    assert isinstance(config, RunConfig)
    return config


def _as_declared(found: Any, schema: Any) -> bool:
    """Whether these are the schema's classes, each with the attributes that it declares and no more."""
    return (
        type(found) is type(schema)
        and vars(found).keys() == vars(schema).keys()
        and all(
            _as_declared(getattr(found, name), one) for name, one in vars(schema).items() if is_dataclass(one)
        )
    )


def from_plain(values: Mapping[str, Any]) -> RunConfig:
    """Return the typed settings that a report holds."""
    return checked(OmegaConf.create(dict(values)))


@contextmanager
def our_search_path() -> Iterator[None]:
    """Let the search-path plugin act while evalkit composes."""
    search_path.active = True
    try:
        yield
    finally:
        search_path.active = False


def plain(config: RunConfig) -> dict[str, Any]:
    """Return the settings as plain data."""
    return {one.name: _plain(getattr(config, one.name)) for one in fields(config)}


def _plain(value: Any) -> Any:
    # Checked settings hold plain values alone; OmegaConf would take a text with ${ in it for a reference.
    if is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value
