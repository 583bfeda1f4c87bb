"""Settings -> what a run may spend, refused where a limit could not be held to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evalkit.budget import Budget
from evalkit.errors import ConfigError
from evalkit.plugins import plugin, takes
from evalkit.tokens import answer_limit

if TYPE_CHECKING:
    from evalkit.client.base import Model, Prices
    from evalkit.config.schema import RunConfig


def build_budget(config: RunConfig, model: Model) -> Budget:
    """Return what the run may spend; ConfigError where prices or the longest answer are not known."""
    limits = config.budget
    if not model.needs_prompt:
        return Budget(model.prices)  # nothing is sent
    if limits.usd is not None:
        _check_priced(config, limits.usd, model.prices)
    for name, limit in vars(limits).items():
        if limit is not None and not longest_answer(config):
            raise ConfigError(
                f"budget.{name}={limit:g}: nothing limits the length of an answer of {model.name}, so the "
                "worst case is unknown; set model.params.max_tokens=N (max_completion_tokens for reasoning "
                "models), or model.max_output=N where the model has a longest answer"
            )
    return Budget(model.prices, limits.usd, limits.tokens, config.model.max_output, in_batches(config))


def in_batches(config: RunConfig) -> bool:
    """Return whether requests go through the batch API, at its prices."""
    return bool(getattr(_executor(config), "batch", False))


def told(config: RunConfig, budget: Budget) -> Budget | None:
    """Return the budget for the executor; None where nothing is limited, and nothing to be known of costs.

    That is without prices, or for an executor that knows of no budget.
    """
    priced = budget.prices is not None and "budget" in takes(_executor(config))
    return budget if budget.limited or priced else None


def longest_answer(config: RunConfig) -> int:
    """Return the most tokens that one answer may have; 0 where nothing limits it."""
    return answer_limit({**vars(config.model.params), **config.model.extra}) or config.model.max_output or 0


def _executor(config: RunConfig) -> type:
    return plugin(config.executor._target_, "executor")


def _check_priced(config: RunConfig, usd: float, prices: Prices | None) -> None:
    model = config.model
    if prices is None:
        raise ConfigError(
            f"budget.usd={usd:g}: no price is known for {model.name}; set model.prices.input=… and "
            "model.prices.output=… (US dollars per million tokens), or model.prices_file=FILE"
        )
    if model.params.service_tier == "priority" and not prices.source:
        raise ConfigError(
            f"budget.usd={usd:g}: the prices known for {model.name} are not those of service_tier=priority, "
            "which cost more; give them with model.prices_file=FILE"
        )
