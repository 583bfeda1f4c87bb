"""A line of samples.jsonl read back as the records that it was made of; KeyError, TypeError when damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.records import Failure, Generation, Outcome, Response, Sample, Usage


def sample_of(line: Mapping[str, Any]) -> Sample:
    """Return the sample in the form that it was asked in at the line's trial."""
    return Sample(
        line["id"],
        line["input"],
        line["target"],
        line.get("metadata", {}),
        line.get("group"),
        line.get("added", {}),
    )


def outcome_of(line: Mapping[str, Any]) -> Outcome:
    """Return what became of the line's requests."""
    return _outcome(line["id"], line["trial"], line, earlier=line.get("turns", ()))


def generation_of(line: Mapping[str, Any]) -> Generation:
    """Return the answer as it was read then; KeyError for a failure."""
    outcome = outcome_of(line)
    if outcome.response is None:
        raise KeyError("output")
    return Generation(
        outcome.sample_id,
        outcome.trial,
        outcome.response,
        line["prediction"],
        line.get("unparsed"),
        tuple(one.response for one in outcome.earlier if one.response is not None),
        tuple(one.get("prediction") for one in line.get("turns", ())),
    )


def replies_of(line: Mapping[str, Any]) -> list[str]:
    """Return the model's texts before its last."""
    return [turn["output"] for turn in line.get("turns", ())]


def answer_text(line: Mapping[str, Any]) -> str:
    """Return the model's text; of a conversation all of them, each after the number of its turn."""
    texts = [*replies_of(line), line["output"]]
    if len(texts) == 1:
        return str(texts[0])
    return "\n".join(f"turn {place}: {text}" for place, text in enumerate(texts, start=1))


def _outcome(
    name: str, trial: int, line: Mapping[str, Any], earlier: list[Mapping[str, Any]] | tuple[()] = ()
) -> Outcome:
    before = tuple(_outcome(name, trial, one) for one in earlier)
    key, cached = line["request_key"], bool(line["cached"])
    if "failure" in line:
        failure = Failure(name, trial, **line["failure"])
        return Outcome(name, trial, key, failure=failure, cached=cached, earlier=before)
    response = Response(
        text=line["output"],
        finish_reason=line["finish_reason"],
        model=line.get("model"),
        system_fingerprint=line.get("system_fingerprint"),
        usage=None if line["usage"] is None else Usage(**line["usage"]),
        logprobs=line.get("logprobs"),
        tool_calls=line.get("tool_calls"),
        refusal=line.get("refusal"),
        latency=line["latency"],
        time_to_first_token=line.get("time_to_first_token"),
    )
    return Outcome(name, trial, key, response=response, cached=cached, earlier=before)
