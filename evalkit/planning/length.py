"""How long answers will be: as in an earlier run, as the targets are, or half of what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evalkit.tokens import answer_limit, text_tokens, written

if TYPE_CHECKING:
    from evalkit.config.schema import ModelConfig
    from evalkit.executors.base import Job
    from evalkit.planning.history import Answers
    from evalkit.records import Sample


@dataclass(frozen=True)
class Length:
    """Completion tokens of all requests together: expected, at the most, and where that comes from.

    None where nothing is known.
    """

    expected: int | None
    most: int | None
    source: str


def length(
    jobs: Sequence[Job], samples: Mapping[str, Sample], earlier: Answers | None, config: ModelConfig
) -> Length:
    """Say how long the answers to these requests will be."""
    limits = [answer_limit(job.request.body) or config.max_output or 0 for job in jobs]
    choices = [written(job.request) for job in jobs]
    bounded = all(limits)
    most = sum(limit * n for limit, n in zip(limits, choices, strict=True)) if bounded else None
    if not jobs:
        return Length(0, 0, "")
    answers, source = _answers(jobs, samples, earlier, config)
    if answers is None:
        if not bounded:
            return Length(None, None, "set model.params.max_tokens, or make a small run first")
        answers, source = [limit / 2 for limit in limits], "half of what is allowed"
    expected = sum(
        n * (min(answer, limit) if limit else answer)
        for answer, limit, n in zip(answers, limits, choices, strict=True)
    )
    return Length(round(expected), most, source)


def _answers(
    jobs: Sequence[Job], samples: Mapping[str, Sample], earlier: Answers | None, config: ModelConfig
) -> tuple[list[float] | None, str]:
    if earlier is not None:
        mean = earlier.mean
        return [earlier.completion.get(job.sample_id, mean) for job in jobs], f"as in run {earlier.run_id}"
    targets = [samples[job.sample_id].references for job in jobs]
    # What a reasoning model thinks is paid for too, and no target tells its length.
    if _reasons(config) or not all(targets):
        return None, ""
    texts = [_written(job.request.body, first) for job, (first, *_) in zip(jobs, targets, strict=True)]
    return [float(one) for one in text_tokens(texts, config.name)], "as long as the targets"


def _reasons(config: ModelConfig) -> bool:
    """Whether the model is declared to reason, and not told otherwise."""
    accepts = config.accepts if isinstance(config.accepts, Mapping) else {}
    efforts = accepts.get("reasoning_effort")
    if not isinstance(efforts, list):
        return False
    effort = config.params.reasoning_effort
    return effort != "none" if effort else "none" not in efforts


def _written(body: Mapping[str, Any], target: str) -> str:
    """Return a target as the answer would hold it: in the fields of a schema where there is one."""
    wanted = (body.get("response_format") or {}).get("json_schema") or (body.get("text") or {}).get("format")
    schema = (wanted or {}).get("schema", {})
    names = list(schema.get("properties", ()))
    return json.dumps(dict.fromkeys(names, target)) if names else target
