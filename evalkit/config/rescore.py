"""The settings of a stored run with what scoring alone may change: metrics, post-processing, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from evalkit.config.compose import composed, from_plain
from evalkit.config.explain import explained
from evalkit.config.schema import RunConfig
from evalkit.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

METRICS = "metrics"
CHANGEABLE = (METRICS, "task.postprocess", "slices", "confidence", "resamples", "seed", "results_dir")


def rescoring_settings(stored: Mapping[str, Any], overrides: Sequence[str]) -> RunConfig:
    """Return a report's settings with these overrides; ConfigError for one that changes what was asked.

    `metrics=[bleu,ter]` selects from the metric configs as in a run, `metrics.f1.labels=[a,b]` changes an
    option of what the run was scored with.
    """
    with explained(overrides):
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    for one in parsed:
        _check(one)
    node = OmegaConf.create(dict(stored))
    chosen = [one for one in parsed if root_of(one) == METRICS]
    if any(one.key_or_group == METRICS for one in chosen):
        metrics = composed([str(one.input_line) for one in chosen])[METRICS]
        # Not resolved here: a metric's option may refer to the dataset's, which is the stored run's.
        node[METRICS] = OmegaConf.to_container(metrics, resolve=False)
        parsed = [one for one in parsed if one not in chosen]
    with explained(overrides):
        for one in parsed:
            apply(node, one)
    return from_plain(plain_of(node))


def _check(override: Override) -> None:
    name = override.key_or_group
    if override.is_sweep_override():
        raise ConfigError(f"{override.input_line}: evalkit score takes one value for each setting")
    if override.is_delete() and not name.startswith(f"{METRICS}."):
        raise ConfigError(f"{override.input_line}: only single metrics can be taken out, like ~metrics.f1")
    if any(name == one or name.startswith(f"{one}.") for one in CHANGEABLE):
        return
    known = {one.name for one in fields(RunConfig)}
    if name.partition(".")[0].partition("/")[0] not in {*known, "experiment"}:
        raise ConfigError(
            f"{override.input_line}: no such setting{did_you_mean(name, CHANGEABLE)}; a stored run is scored "
            f"with {', '.join(CHANGEABLE)}"
        )
    raise ConfigError(
        f"{override.input_line}: would change what was asked or by whom it was answered, and evalkit score "
        f"asks nothing; it changes {', '.join(CHANGEABLE)}: for the rest use evalkit run"
    )


def apply(node: DictConfig, override: Override) -> None:
    """Set or take out one value of stored settings; ConfigError for a metric that there is not."""
    name = override.key_or_group
    if override.is_delete():
        parent, _, leaf = name.rpartition(".")
        found = OmegaConf.select(node, parent)
        if not isinstance(found, DictConfig) or leaf not in found:
            raise ConfigError(
                f"{override.input_line}: the run has no metric {leaf}; it has {', '.join(node[METRICS])}"
            )
        del found[leaf]
        return
    OmegaConf.update(node, name, override.value(), merge=False, force_add=True)


def root_of(override: Override) -> str:
    """Return the first word of what an override sets: `metrics` of metrics.bleu.tokenize."""
    return str(override.key_or_group).partition(".")[0]


def plain_of(node: DictConfig) -> dict[str, Any]:
    """Return settings as plain data, not yet resolved."""
    value = OmegaConf.to_container(node, resolve=False)
    assert isinstance(value, dict)
    return {str(key): one for key, one in value.items()}
