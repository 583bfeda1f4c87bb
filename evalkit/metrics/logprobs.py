"""The log-probabilities of an answer's tokens, as chat completions give them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from evalkit.errors import MetricError
from evalkit.records import Response


def token_logprobs(response: Response, sample_id: str, metric: str) -> list[float]:
    """Return the natural log-probability of each token of the answer.

    A token without one (the first of a prompt that is echoed) is left out. MetricError naming the sample
    where the answer has none at all.
    """
    told = response.logprobs
    content = told.get("content") if isinstance(told, Mapping) else None
    if not isinstance(content, list):
        if told is not None and response.text == "":
            return []  # an empty answer has no token
        raise MetricError(
            f'{metric}: the answer to sample "{sample_id}" has no log-probabilities; ask for them with '
            "model.params.logprobs=true (a number for legacy completions, model.params.logprobs=1)"
        )
    return [value for one in content if (value := _logprob(one)) is not None]


def _logprob(entry: Any) -> float | None:
    value = entry.get("logprob") if isinstance(entry, Mapping) else None
    known = isinstance(value, int | float) and not isinstance(value, bool) and not math.isnan(value)
    return max(float(value), _LEAST) if known and value is not None else None


# What OpenAI gives for a token outside the most likely ones; also keeps minus infinity out of the sums.
_LEAST = -9999.0
