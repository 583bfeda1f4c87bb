"""The settings of a stored run, to run it again; with overrides, to run it again with something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from evalkit.config.compose import composed, from_plain
from evalkit.config.explain import explained
from evalkit.config.rescore import apply, plain_of, root_of
from evalkit.config.schema import RunConfig
from evalkit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

    from evalkit.report.base import Report

CHOICES = ("dataset", "prompt", "model", "metrics", "executor", "gate", "cache")
WHOLE = ("task", "experiment")
PATHS = ("dataset.path", "fewshot.path", "model.path", "model.prices_file", "cache.path", "results_dir")
BENCHMARK = "benchmark:"


def repeated_settings(report: Report, overrides: Sequence[str]) -> RunConfig:
    """Return a report's settings with these overrides.

    `model=gpt-4o` and other choices replace a whole group as in a run, `cache=replay` only the mode. The
    prompt is the report's own, whatever its file holds today. ConfigError for a choice that would make
    another task of it, or an unknown setting.
    """
    with explained(overrides):
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    for one in parsed:
        _check(one)
    node = OmegaConf.create(dict(report.config))
    _keep_prompt(node, report, parsed)
    for group in CHOICES:
        if any(one.key_or_group == group for one in parsed):
            own = [one for one in parsed if root_of(one) == group]
            _choose(node, group, [str(one.input_line) for one in own])
            parsed = [one for one in parsed if one not in own]
    with explained(overrides):
        for one in parsed:
            apply(node, one)
    return from_plain(plain_of(node))


def relative_paths(config: RunConfig) -> list[str]:
    """Return the settings whose files are looked for from the working directory, as `name=path`."""
    node = OmegaConf.structured(config)
    found = []
    for name in PATHS:
        path = OmegaConf.select(node, name)
        if isinstance(path, str) and path != "-" and not path.startswith((BENCHMARK, "/", "~")):
            found.append(f"{name}={path}")
    return found


def _check(override: Override) -> None:
    name, root = override.key_or_group, root_of(override).partition("/")[0]
    if override.is_sweep_override():
        raise ConfigError(f"{override.input_line}: --from-report runs one run again, with one value each")
    if name in WHOLE:
        raise ConfigError(
            f"{override.input_line}: would make another task of the report's; leave --from-report out"
        )
    known = [one.name for one in fields(RunConfig)]
    if root not in known:
        raise ConfigError(f"{override.input_line}: no such setting{did_you_mean(root, known)}")
    if override.is_delete() and not name.startswith("metrics."):
        raise ConfigError(f"{override.input_line}: only single metrics can be taken out, like ~metrics.f1")


def _keep_prompt(node: DictConfig, report: Report, overrides: Sequence[Override]) -> None:
    changed = any(root_of(one) == "prompt" for one in overrides)
    if report.prompt is not None and node.prompt.get("file") is not None and not changed:
        node.prompt.file = None
        node.prompt.template = report.prompt["source"]["template"]


def _choose(node: DictConfig, group: str, overrides: Sequence[str]) -> None:
    chosen: Any = OmegaConf.to_container(composed(overrides)[group], resolve=False)
    if group == "cache" and not any(one.startswith("cache.path=") for one in overrides):
        chosen = {**chosen, "path": node.cache.path}
    node[group] = chosen
