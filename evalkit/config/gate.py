"""Gate settings -> policy and options of a comparison."""

from __future__ import annotations

from evalkit.comparison.compare import Options
from evalkit.comparison.policy import ACTIONS, KINDS, Policy
from evalkit.comparison.rescore import Answers
from evalkit.config.schema import GateConfig
from evalkit.errors import ConfigError, did_you_mean


def policy_of(config: GateConfig) -> Policy:
    """Return the checked policy."""
    if config.kind not in KINDS:
        near = did_you_mean(config.kind, KINDS)
        raise ConfigError(f'gate.kind="{config.kind}"{near}: use {", ".join(KINDS)}')
    if config.on_inconclusive not in ACTIONS:
        near = did_you_mean(config.on_inconclusive, ACTIONS)
        raise ConfigError(f'gate.on_inconclusive="{config.on_inconclusive}"{near}: use {", ".join(ACTIONS)}')
    if not 0 < config.alpha < 0.5:  # noqa: PLR2004 - beyond it a "significant" loss is likelier chance than not
        raise ConfigError(f"gate.alpha={config.alpha}: must lie between 0 and 0.5, like 0.05")
    if config.margin < 0 or any(value < 0 for value in config.margins.values()):
        raise ConfigError("gate.margin and gate.margins must not be negative")
    if config.resamples * config.alpha < 10:  # noqa: PLR2004 - ten resamples beyond the bound
        raise ConfigError(f"gate.resamples={config.resamples}: too few for alpha {config.alpha}; use 10000")
    return Policy(
        kind=config.kind,
        alpha=config.alpha,
        margin=config.margin,
        margins=dict(config.margins),
        metrics=tuple(config.metrics),
        on_inconclusive=config.on_inconclusive,
    )


def comparison_options(
    config: GateConfig, *, intersect: bool = False, answers: Answers | None = None
) -> Options:
    """Return how sides are compared; `answers` finds a baseline's outputs again."""
    return Options(
        policy=policy_of(config),
        resamples=config.resamples,
        intersect=intersect or config.intersect,
        answers=answers,
    )
