"""A line of samples.jsonl: what it is made of, and the same read back; KeyError, TypeError when damaged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from evalkit.records import Failure, Generation, Outcome, Response, Sample, Usage


def line_of(sample: Sample, outcome: Outcome, generation: Generation | None) -> dict[str, Any]:
    """Return the line of a sample, as it was asked at a trial, without the statistics of its answer."""
    line = _asked(sample, outcome)
    if outcome.earlier:
        line["turns"] = _turns(outcome, generation)
    if generation is None:
        line["failure"] = _failure(outcome)
    else:
        line["prediction"], line["output"] = generation.prediction, generation.response.text
        if generation.unparsed is not None:
            line["unparsed"] = generation.unparsed
        line |= _answer(generation.response)
    line["cached"] = outcome.cached
    line["request_key"] = outcome.request_key
    return line


def numbers(row: Any) -> list[float]:
    """Return a row of statistics as JSON; whole numbers as such, so that counts stay short and readable."""
    return [int(value) if value.is_integer() else value for value in row.tolist()]


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


def _asked(sample: Sample, outcome: Outcome) -> dict[str, Any]:
    """Return the part of a line that says what was asked."""
    line: dict[str, Any] = {
        "id": sample.id,
        "trial": outcome.trial,
        "hash": sample.hash,
        "input": dict(sample.input),
        "target": sample.target,
    }
    if sample.group is not None:
        line["group"] = sample.group
    if sample.metadata:
        line["metadata"] = dict(sample.metadata)
    if sample.added:
        line["added"] = dict(sample.added)
    line["prompt_sha256"] = outcome.prompt_hash
    return line


def _turns(outcome: Outcome, generation: Generation | None) -> list[dict[str, Any]]:
    """Return what was answered to a conversation's questions before the last."""
    turns = []
    for place, one in enumerate(outcome.earlier):
        assert one.response is not None  # a conversation goes on after answers only
        prediction = None if generation is None else generation.earlier_predictions[place]
        said = {"prediction": prediction, "output": one.response.text, **_answer(one.response)}
        turns.append({**said, "cached": one.cached, "request_key": one.request_key})
    return turns


def _answer(response: Response) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    for name in ("model", "system_fingerprint", "refusal", "tool_calls", "logprobs"):
        value = getattr(response, name)
        if value is not None:
            answer[name] = value
    answer["finish_reason"] = response.finish_reason
    answer["usage"] = None if response.usage is None else _tokens(response.usage)
    answer["latency"] = None if response.latency is None else round(response.latency, 6)
    if response.time_to_first_token is not None:
        answer["time_to_first_token"] = round(response.time_to_first_token, 6)
    return answer


def _tokens(usage: Usage) -> dict[str, int]:
    """The same as `asdict`, which copies deeply."""
    return {
        "prompt": usage.prompt,
        "completion": usage.completion,
        "cached": usage.cached,
        "reasoning": usage.reasoning,
    }


def _failure(outcome: Outcome) -> dict[str, Any]:
    assert outcome.failure is not None
    return {
        "kind": outcome.failure.kind,
        "message": outcome.failure.message,
        "attempts": outcome.failure.attempts,
    }
