"""Checks a stored run against itself: every number from its samples, every hash from what it is a hash of.

What needs more than the run's own files (its data, its model's settings, its post-processing) is handed in as
`AtHand`; a check without what it needs says so and is not counted as passed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evalkit.budget import price
from evalkit.client.base import Prices
from evalkit.errors import EvalkitError, PromptError, ReportError
from evalkit.metrics.base import statistics_of
from evalkit.prompts import Prompt
from evalkit.reading import Counts, generate
from evalkit.records import Generation, Outcome, Question, Request, Sample, content_hash
from evalkit.report.base import Report, bound_metrics, finite
from evalkit.report.classes import classes_in
from evalkit.report.line import generation_of, outcome_of, replies_of, sample_of
from evalkit.report.make import status_of
from evalkit.report.slices import slices_of
from evalkit.scoring import Resampling, aggregate, combine_trials, numbers_of
from evalkit.statistics.cluster import number_groups
from evalkit.totals import Tokens

if TYPE_CHECKING:
    from evalkit.client.base import Model
    from evalkit.datasets.base import Dataset
    from evalkit.metrics.base import Metric
    from evalkit.postprocess import Pipeline

RELATIVE = 1e-9
"""Sums of the same numbers in another order, on another processor, differ in their last digits."""
MICROSECOND = 1e-6  # latencies are stored to this


@dataclass(frozen=True)
class AtHand:
    """What a run was made with, as far as it could be built again; `lacking` says why a part is None."""

    postprocess: Pipeline | None = None
    model: Model | None = None
    dataset: Dataset | None = None
    passages: Mapping[str, Sequence[str]] | None = None
    """Ids of the documents found now for each sample, by its id; None where there is no retrieval."""
    batch: bool = False
    """Whether its requests had the batch discount."""
    lacking: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """One thing looked at: what differs (nothing, when all is well), or why it could not be looked at."""

    name: str
    looked_at: str
    differences: Sequence[str] = ()
    skipped: str | None = None
    remark: str | None = None

    @property
    def status(self) -> str:
        """In a word or two."""
        if self.skipped is not None:
            return "not checked"
        return "different" if self.differences else "same"


def verify(report: Report, at_hand: AtHand) -> list[Check]:
    """Return every check of a run; nothing is asked and nothing is written."""
    try:
        lines = list(report.samples())
        damaged = [
            f"line {number}: damaged ({error!r})"
            for number, line in enumerate(lines, start=1)
            if (error := _damage(line)) is not None
        ]
    except ReportError as error:
        damaged = [str(error)]
    if damaged:
        return [Check("samples", "samples.jsonl", damaged)]
    found = _Stored(report, lines, at_hand)
    return [check(found) for check in CHECKS]


def _damage(line: Mapping[str, Any]) -> Exception | None:
    try:
        sample_of(line)
        outcome_of(line)
        line["hash"], line["prompt_sha256"], line["input"].items()
        if "failure" not in line:
            line["prediction"], line["statistics"].items()
    except (KeyError, TypeError, AttributeError) as error:
        return error
    return None


@dataclass(frozen=True)
class _Stored:
    """A run's lines, and what several checks make of them."""

    report: Report
    lines: Sequence[Mapping[str, Any]]
    at_hand: AtHand

    @cached_property
    def samples(self) -> dict[str, Sample]:
        found: dict[str, Sample] = {}
        for line in self.lines:
            found.setdefault(line["id"], sample_of(line))
        return found

    @cached_property
    def outcomes(self) -> list[Outcome]:
        return [outcome_of(line) for line in self.lines]

    @cached_property
    def answered(self) -> list[Mapping[str, Any]]:
        return [line for line in self.lines if "failure" not in line]

    @cached_property
    def generations(self) -> list[Generation]:
        """The stored outputs as post-processing reads them now; as they were read where it is not at hand."""
        steps = self.at_hand.postprocess
        answered = [one for one in self.outcomes if one.response is not None]
        if steps is not None:
            return [generate(one, steps, form) for one, form in zip(answered, self.forms, strict=True)]
        return [generation_of(line) for line in self.answered]

    @cached_property
    def forms(self) -> list[Sample]:
        """The samples of the answered lines, as they were asked."""
        return [sample_of(line) for line in self.answered]

    @cached_property
    def metrics(self) -> dict[str, Metric]:
        """As bound to the samples: a signature may count their references."""
        bound = bound_metrics(self.report)
        return {name: one.bind(list(self.samples.values())) for name, one in bound.items()}

    @property
    def resampling(self) -> Resampling:
        usual, config, seeds = Resampling(), self.report.config, self.report.seeds
        return Resampling(
            config.get("confidence", usual.confidence),
            config.get("resamples", usual.resamples),
            seeds.get("bootstrap", usual.seed),
        )


def _contents(found: _Stored) -> Check:
    wrong = [
        f'sample "{line["id"]}", trial {line["trial"]}: input or target is not what its hash says'
        for line in found.lines
        if sample_of(line).hash != line["hash"]
    ]
    places = Counter((line["id"], line["trial"]) for line in found.lines)
    wrong += [f'sample "{one}", trial {trial}: {n} lines' for (one, trial), n in places.items() if n > 1]
    n = found.report.dataset["n"]
    if len(found.samples) != n:
        wrong.append(f"the report speaks of {n} samples, samples.jsonl holds {len(found.samples)}")
    return Check("samples", f"contents of {len(found.samples)} samples", wrong)


def _dataset(found: _Stored) -> Check:
    what = "fingerprint of the data"
    dataset = found.at_hand.dataset
    if dataset is None:
        return Check("dataset", what, skipped=found.at_hand.lacking.get("dataset", "the data is not at hand"))
    stored = found.report.dataset
    wrong = list(_unlike("fingerprint", stored["fingerprint"], dataset.fingerprint))
    wrong += _unlike("n", stored["n"], len(dataset.samples))
    now = {one.id: one.hash for one in dataset.samples}
    for name, sample in found.samples.items():
        if name not in now:
            wrong.append(f'sample "{name}" is not in the data')
        elif now[name] != sample.hash:
            wrong.append(f'sample "{name}" has another input or target in the data')
    if "retrieval" not in stored:
        return Check("dataset", what, wrong)
    passages = found.at_hand.passages
    if passages is None:
        why = found.at_hand.lacking.get("passages", "the passages are not at hand")
        return Check("dataset", what, wrong, remark=f"passages not checked: {why}")
    wrong += [
        f'sample "{name}": retrieval finds other passages now'
        for name, sample in found.samples.items()
        if list(sample.added.get("retrieved", ())) != list(passages.get(name, ()))
    ]
    return Check("dataset", f"{what}, passages of {len(passages)} samples", wrong)


def _prompts(found: _Stored) -> Check:
    stored = found.report.prompt
    if stored is None:
        return Check("prompts", "recorded outputs: nothing was asked")
    source = stored["source"]
    wrong = list(_unlike("sha256 of the templates", stored["sha256"], content_hash(source)))
    try:
        prompt = Prompt(stored["name"], **source)
        hashes = [
            content_hash([dict(one) for one in prompt.render(sample_of(line), replies_of(line))])
            for line in found.lines
        ]
    except (EvalkitError, TypeError) as error:
        return Check("prompts", "rendered prompts", [*wrong, f"the templates cannot be rendered: {error}"])
    wrong += [
        f'sample "{line["id"]}", trial {line["trial"]}: the rendered prompt is not what its hash says'
        for line, made in zip(found.lines, hashes, strict=True)
        if line["prompt_sha256"] != made
    ]
    return Check("prompts", f"templates and {len(set(hashes))} rendered prompts", wrong)


def _request_keys(found: _Stored) -> Check:
    what, model, stored = "keys of the requests", found.at_hand.model, found.report.prompt
    if model is None:
        why = found.at_hand.lacking.get("model", "the model's settings are not at hand")
        return Check("request keys", what, skipped=why)
    try:
        prompt = None if stored is None else Prompt(stored["name"], **stored["source"])
        made = [
            (line, turn["request_key"], _request(found, model, prompt, line, place).key)
            for line in found.lines
            for place, turn in enumerate((*line.get("turns", ()), line))
        ]
    except (EvalkitError, TypeError) as error:
        return Check("request keys", what, [f"the requests cannot be made again: {error}"])
    wrong = [
        f"{_place(line)}: the request has another key" for line, stored_key, key in made if key != stored_key
    ]
    return Check("request keys", f"{what} of {len(made)} answers", wrong)


def _request(
    found: _Stored, model: Model, prompt: Prompt | None, line: Mapping[str, Any], place: int
) -> Request:
    """Return the question of a line's conversation that stands at a place from 0."""
    sample, trial, replies = sample_of(line), line["trial"], replies_of(line)[:place]
    question = Question(turn=len(replies)) if prompt is None else prompt.ask(sample, replies)
    if question is None:
        raise PromptError(f"{_place(line)}: the conversation ends before its last answer")
    request = model.request(sample, question, trial)
    if request.choices > 1:  # one request, several trials
        request = replace(request, trial=trial - trial % request.choices)
    # As it was then: the embedded model's versions may have moved on, and are part of the key.
    return replace(request, server=found.report.model["identity"])


def _predictions(found: _Stored) -> Check:
    what = f"predictions of {len(found.answered)} outputs"
    if found.at_hand.postprocess is None:
        why = found.at_hand.lacking.get("postprocess", "the post-processing is not at hand")
        return Check("predictions", what, skipped=why)
    wrong = [
        f"{_place(line)}: the output gives {_read(one.prediction, one.unparsed)}, "
        f"stored is {_read(line['prediction'], line.get('unparsed'))}"
        for line, one in zip(found.answered, found.generations, strict=True)
        if (one.prediction, one.unparsed) != (line["prediction"], line.get("unparsed"))
    ]
    return Check("predictions", what, wrong)


def _read(prediction: Any, unparsed: str | None) -> str:
    return f'"{prediction}"' if unparsed is None else f"none ({unparsed})"


def _statistics(found: _Stored) -> Check:
    wrong: list[str] = []
    versions: list[str] = []
    lacking: list[str] = []
    for name, metric in found.metrics.items():
        stored = found.report.families[name]
        wrong += _unlike(f"{name}: key", stored["key"], metric.key)
        if stored["signature"] != metric.signature:
            versions.append(f"{name} was {stored['signature']}, is {metric.signature}")
        try:
            rows = statistics_of(metric, found.generations, found.forms)
        except EvalkitError as error:  # its code may not be run, or not here
            lacking.append(f"{name}: {error}")
            continue
        for line, row in zip(found.answered, rows, strict=True):
            wrong += _unlike(f"{_place(line)}: {name}", line["statistics"].get(name), row.tolist())
    families = ", ".join(found.metrics)
    return Check(
        "statistics",
        f"{families} of {len(found.answered)} outputs",
        wrong,
        skipped=None if wrong else "; ".join(lacking) or None,
        remark="; ".join(versions) or None,
    )


def _scores(found: _Stored) -> Check:
    report = found.report
    made = {one.metric: one for name in found.metrics for one in _aggregates(found, name)}
    wrong = [f"{name}: its samples give no such score" for name in report.metrics if name not in made]
    wrong += [f"{name}: not in the report, its samples give {one.value:g}" for name, one in made.items()
              if name not in report.metrics]  # fmt: skip
    for name, one in made.items():
        if name in report.metrics:
            now, then = asdict(one), asdict(report.metrics[name])
            del now["signature"], then["signature"]  # library versions; the key is compared with statistics
            wrong += _unlike(name, then, {key: finite(value) for key, value in now.items()})
    seed = found.resampling.seed
    return Check("scores", f"{len(made)} values and intervals (seed {seed})", wrong)


def _aggregates(found: _Stored, name: str) -> list[Any]:
    """Return a family's values from the stored statistics."""
    import numpy as np

    if not found.answered:
        return []
    metric = found.metrics[name]
    rows = np.asarray([line["statistics"].get(name, ()) for line in found.answered], dtype=np.float64)
    ids = dict.fromkeys(line["id"] for line in found.answered)
    numbers = numbers_of(line["id"] for line in found.answered)
    unparsed = {line["id"] for line in found.answered if "unparsed" in line}
    counts = Counts(len(ids), len(found.samples) - len(ids), len(unparsed))
    groups = number_groups([found.samples[one].group for one in ids])
    return aggregate(metric, combine_trials(metric, rows, numbers), groups, counts, found.resampling)


def _breakdowns(found: _Stored) -> Check:
    report = found.report
    made = slices_of(found.lines, found.metrics, list(report.slices), found.resampling)
    wrong = list(_unlike("slices", report.slices, made))
    if report.classes:
        wrong += _unlike("classes", report.classes, classes_in(replace(report, classes={})))
    return Check(
        "breakdowns", f"{len(report.slices)} slicings, {len(report.classes)} families of labels", wrong
    )


def _counts(found: _Stored) -> Check:
    report = found.report
    asked = [turn for one in found.outcomes for turn in one.turns]
    responses = [one.response for one in asked if one.response is not None]
    failures = Counter(one.failure.kind for one in asked if one.failure is not None)
    made = {
        "requests": len(asked),
        "answered": len(responses),
        "failed": len(asked) - len(responses),
        "cached": sum(one.cached for one in asked),
        "unparsed": sum("unparsed" in line for line in found.answered),
        "cut_off": sum(one.finish_reason == "length" for one in responses),
        "refused": sum(bool(one.refusal) for one in responses),
    }
    wrong = [one for name, stored in report.counts.items() for one in _unlike(name, stored, made.get(name))]
    wrong += _unlike("failures", report.failures, dict(failures))
    wrong += _unlike("status", report.status, status_of(failures))
    for name in ("model", "system_fingerprint"):
        told = Counter(value for one in responses if (value := getattr(one, name)) is not None)
        if told:  # reports of older versions have these in no line
            part = "served" if name == "model" else name
            wrong += _unlike(f"model.{part}", report.model[part], dict(told))
    return Check("counts", f"{len(asked)} requests by what became of them", wrong)


def _usage(found: _Stored) -> Check:
    asked = [turn for one in found.outcomes for turn in one.turns]
    cost, tokens = found.report.cost, Tokens(asked)
    wrong = list(_unlike("usage", found.report.usage, asdict(tokens.total())))
    if cost is not None:
        prices, batch = Prices(**cost["prices"]), found.at_hand.batch
        # What attempts without an answer cost is in no line; after scoring again nothing was paid at all.
        paid = price(tokens.total(fresh=True), prices, batch=batch) + cost.get("unanswered_usd", 0.0)
        wrong += _unlike("cost.usd", cost["usd"], price(tokens.total(), prices, batch=batch))
        wrong += _unlike("cost.paid_usd", cost["paid_usd"], 0.0 if found.report.parent else paid)
    return Check("usage and cost", "tokens and US dollars added up", wrong)


def _latencies(found: _Stored) -> Check:
    import numpy as np

    wrong: list[str] = []
    counts = []
    asked = [turn for line in found.lines for turn in (*line.get("turns", ()), line)]
    for measure in ("latency", "time_to_first_token"):
        known = [one[measure] for one in asked if one.get(measure) is not None]
        counts.append(len(known))
        for name, share in ((f"{measure}_p50", 0.5), (f"{measure}_p95", 0.95)):
            stored = found.report.timing.get(name)
            made = float(np.quantile(known, share)) if known else None
            if stored is not None and (made is None or abs(made - stored) > 2 * MICROSECOND):
                wrong.append(f"{name}: stored is {stored}, the samples give {made}")
    return Check("latencies", f"quantiles of {counts[0]} answers", wrong)


CHECKS: tuple[Callable[[_Stored], Check], ...] = (
    _contents,
    _dataset,
    _prompts,
    _request_keys,
    _predictions,
    _statistics,
    _scores,
    _breakdowns,
    _counts,
    _usage,
    _latencies,
)


def _place(line: Mapping[str, Any]) -> str:
    return f'sample "{line["id"]}", trial {line["trial"]}'


def _unlike(where: str, stored: Any, made: Any) -> Iterator[str]:
    """Yield a sentence for each leaf that differs; numbers may differ in their last digits."""
    if isinstance(stored, Mapping) and isinstance(made, Mapping):
        for name in dict.fromkeys((*stored, *made)):
            yield from _unlike(f"{where}.{name}", stored.get(name), made.get(name))
    elif isinstance(stored, list) and isinstance(made, list) and len(stored) == len(made):
        for place, (one, other) in enumerate(zip(stored, made, strict=True)):
            yield from _unlike(f"{where}[{place}]", one, other)
    elif not _alike(stored, made):
        yield f"{where}: stored is {stored}, recomputed {made}"


def _alike(stored: Any, made: Any) -> bool:
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (stored, made))
    return math.isclose(stored, made, rel_tol=RELATIVE, abs_tol=1e-12) if numbers else stored == made
