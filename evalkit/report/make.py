"""A finished run -> the report and the lines of samples.jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from evalkit.budget import Budget, add, price
from evalkit.metrics.base import LabelMetric
from evalkit.metrics.prepared import options_of
from evalkit.reading import in_order
from evalkit.records import ENDED_EARLY, Generation, Outcome, Response, Sample, Usage
from evalkit.report.base import COMPLETE, WITH_FAILURES, Report
from evalkit.report.classes import classes_of
from evalkit.report.slices import slices_of
from evalkit.scoring import Resampling, combine_trials

if TYPE_CHECKING:
    from evalkit.client.base import Model, Prices
    from evalkit.metrics.base import Metric
    from evalkit.runner import Collected
    from evalkit.scoring import Scored
    from evalkit.task import Task


@dataclass(frozen=True)
class Run:
    """Everything that a finished run is made of.

    `rows` counts the statistics that were kept from before and those computed now; empty where none are kept.
    """

    run_id: str
    created: str
    seconds: float
    task: Task
    model: Model
    collected: Collected
    scored: Scored
    config: Mapping[str, Any]
    seeds: Mapping[str, int]
    provenance: Mapping[str, Any]
    suite: str | None = None
    slices: Sequence[str] = ()
    resampling: Resampling = field(default_factory=Resampling)
    budget: Budget | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


def report_of(run: Run) -> Report:
    """Return the report."""
    totals = run.collected.totals
    usage, fresh = totals.tokens.total(), totals.tokens.total(fresh=True)
    return Report(
        run_id=run.run_id,
        status=status_of(totals.failures),
        created=run.created,
        task={"name": run.task.name},
        dataset={
            "name": run.task.dataset.name,
            "fingerprint": run.task.dataset.fingerprint,
            "n": len(run.task.dataset.samples),
            "read": run.task.dataset.read,
            "filtered": run.task.dataset.filtered,
            **({"origin": dict(run.task.dataset.origin)} if run.task.dataset.origin else {}),
            **({"preprocess": dict(run.task.dataset.preprocess)} if run.task.dataset.preprocess else {}),
            **({} if run.task.retrieval is None else {"retrieval": dict(run.task.retrieval)}),
        },
        prompt=_prompt(run.task) if run.model.needs_prompt else None,
        postprocess=run.task.postprocess.describe,
        model={
            "asked": run.model.name,
            "identity": run.model.identity,
            "served": dict(sorted(totals.served.items())),
            "system_fingerprint": dict(sorted(totals.fingerprints.items())),
            "params": dict(run.model.settings),
        },
        metrics={one.metric: one for one in run.scored.aggregates},
        families={name: family_of(metric) for name, metric in run.scored.metrics.items()},
        counts={**totals.counts, "unparsed": int(run.scored.unparsed.sum())},
        failures=dict(sorted(totals.failures.items())),
        usage=asdict(usage),
        cost=cost_of(usage, fresh, run.model.prices, run.budget),
        timing={"seconds": round(run.seconds, 3), **totals.latencies, **_sending(run), **_rows(run)},
        provenance=run.provenance,
        config=run.config,
        seeds=run.seeds,
        suite=run.suite,
        slices=slices_of(sample_lines(run), run.scored.metrics, run.slices, run.resampling)
        if run.slices
        else {},
        classes=classes_by_family(run.scored),
    )


def status_of(failures: Mapping[str, int]) -> str:
    """Return a run's status by its failures, counted by kind."""
    early = next((one for one in ENDED_EARLY if one in failures), None)
    return early or (WITH_FAILURES if failures else COMPLETE)


def classes_by_family(scored: Scored) -> dict[str, Any]:
    """Return the figures by label of each family that scores labels."""
    found = {}
    for name, metric in scored.metrics.items():
        rows = scored.statistics[name]
        if isinstance(metric, LabelMetric) and len(rows):
            by_sample = combine_trials(metric, rows, scored.numbers)
            found[name] = classes_of(metric, by_sample, rows, scored.unparsed.tolist())
    return {name: one for name, one in found.items() if one is not None}


def _sending(run: Run) -> dict[str, Any]:
    """Return what was sent and waited for, and how many requests were allowed in flight at what time."""
    return {"sending": dict(run.collected.timing)} if run.collected.timing else {}


def _rows(run: Run) -> dict[str, Any]:
    return {"scores": dict(run.rows)} if run.rows else {}


def _prompt(task: Task) -> dict[str, Any]:
    """The templates, and how their examples were chosen where there are any."""
    prompt = {"name": task.prompt.name, "sha256": task.prompt.sha256, "source": task.prompt.source}
    return prompt if task.fewshot is None else {**prompt, "fewshot": dict(task.fewshot)}


def family_of(metric: Metric) -> dict[str, Any]:
    """Return what is needed to aggregate a bound metric's statistics again."""
    cls = type(metric)
    return {
        "target": f"{cls.__module__}.{cls.__qualname__}",
        "options": options_of(metric),
        "names": list(metric.names),
        "headline": list(metric.headline),
        "key": metric.key,
        "signature": metric.signature,
        "higher_is_better": metric.higher_is_better,
        "maximum": metric.maximum,
        **({} if metric.unit is None else {"unit": metric.unit}),
    }


def sample_lines(run: Run) -> Iterator[dict[str, Any]]:
    """Yield one line per sample and trial, in dataset order."""
    statistics = run.scored.statistics
    read = enumerate(run.scored.generations)
    for raw, outcome in in_order(run.task.dataset.samples, run.collected.outcomes):
        sample = run.task.asked(raw, outcome.trial)
        place, generation = (None, None) if outcome.response is None else next(read)
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
            line["statistics"] = {family: numbers(rows[place]) for family, rows in statistics.items()}
        line["cached"] = outcome.cached
        line["request_key"] = outcome.request_key
        yield line


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


def numbers(row: Any) -> list[float]:
    """Return a row of statistics as JSON; whole numbers as such, so that counts stay short and readable."""
    return [int(value) if value.is_integer() else value for value in row.tolist()]


def cost_of(
    usage: Usage, fresh: Usage, prices: Prices | None, budget: Budget | None = None
) -> dict[str, Any] | None:
    """Return what the answers cost when they were asked (`usd`), and what this run paid (`paid_usd`).

    `usage` are the tokens of all answers, `fresh` those that this run asked for. `unanswered_usd` is the part
    of the latter that went to attempts without an answer; `unknown_usd` may have been charged on top, at
    most, for `unknown_attempts` of which no usage was told.
    """
    if prices is None:
        return None
    spent = budget or Budget(prices)
    unanswered = _rest(spent.used, fresh)
    return {
        "usd": price(usage, prices, batch=spent.batch),
        "paid_usd": price(add(fresh, unanswered), prices, batch=spent.batch),
        "unanswered_usd": price(unanswered, prices, batch=spent.batch),
        **spent.facts(),
        "prices": asdict(prices),
    }


def _rest(used: Usage, answered: Usage) -> Usage:
    """Return the tokens used beyond those of the answers; nothing where the executor told of none."""
    whole, part = asdict(used), asdict(answered)
    return Usage(**{name: max(0, whole[name] - part[name]) for name in whole})
