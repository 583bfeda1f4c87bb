"""A metric of evalkit as a module of Hugging Face's `evaluate`: the script, and what it computes with."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.errors import MetricError
from evalkit.later import np
from evalkit.metrics.prepared import metric_from
from evalkit.records import Generation, Response, Sample

MARK = "Written by `evalkit metrics export`"
SCRIPT = '''"""{name} as evalkit computes it. {mark}; needs evalkit installed.

    module = evaluate.load("{folder}")
    module.compute(predictions=[…], references=[…])
"""

import datasets
import evaluate
from evalkit.metrics.export import compute, forms

TARGET = {target}
OPTIONS = {options}


class {title}(evaluate.Metric):
    """Options of the metric may be given to `compute` by name; so may `inputs`, `targets` and `responses`."""

    def _info(self):
        return evaluate.MetricInfo(
            description={description},
            citation="",
            inputs_description={usage},
            features=forms(datasets, references={references}),
        )

    def _compute(self, predictions, references=None, **options):
        return compute(TARGET, OPTIONS, predictions, references, **options)
'''
USAGE = """
Args:
    predictions: texts; or a list of texts for each sample, its trials
    references: a text for each sample, or a list of acceptable ones
    inputs: fields of each sample, as mappings, where the metric reads them
    targets: structured targets, in place of references
    responses: what else is known of each answer, as mappings: logprobs, tool_calls, latency, …
    **options: the metric's own, in place of those that the module was written with
Returns:
    a mapping of the metric's values
"""


def script(name: str, target: str, options: Mapping[str, Any], *, needs_target: bool, about: str) -> str:
    """Return the text of a module that computes what a class with these options computes."""
    return SCRIPT.format(
        name=name,
        mark=MARK,
        folder=name,
        target=repr(target),
        options=repr(json.loads(json.dumps(options))),
        title="".join(part.capitalize() for part in re.split(r"[\W_]+", name)),
        description=repr(about),
        usage=repr(USAGE),
        references=needs_target,
    )


def write(folder: Path, name: str, text: str) -> Path:
    """Write `<folder>/<name>/<name>.py`; MetricError where another file is in the way."""
    place = folder / name / f"{name}.py"
    if place.exists() and MARK not in place.read_text("utf-8", errors="replace"):
        raise MetricError(f"{place} is there and was not written by evalkit; choose another folder")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    except OSError as error:
        raise MetricError(f"{place}: cannot be written ({error.strerror or error})") from error
    return place


def forms(datasets: Any, *, references: bool) -> list[Any]:
    """Return what predictions and references may be: texts, or lists of texts."""
    text = datasets.Value("string")
    several = datasets.Sequence(text)
    found = [{"predictions": one} for one in (text, several)]
    if references:
        found = [{**one, "references": other} for one in found for other in (several, text)]
    return [datasets.Features(one) for one in found]


def compute(
    target: str,
    options: Mapping[str, Any],
    predictions: Sequence[str | Sequence[str]],
    references: Sequence[str | Sequence[str]] | None = None,
    **given: Any,
) -> dict[str, float]:
    """Return the values of a metric, as a run gives them for the same texts."""
    extra = {name: given.pop(name, None) for name in ("inputs", "targets", "responses")}
    for name, one in extra.items():
        if one is not None and len(one) != len(predictions):
            raise ValueError(f"{len(predictions)} predictions, and {len(one)} {name}")
    metric = metric_from(target, {**options, **given}, "options")
    targets = extra["targets"] if extra["targets"] is not None else references
    samples = [
        Sample(str(n), dict(extra["inputs"][n]) if extra["inputs"] else {}, targets[n] if targets else None)
        for n in range(len(predictions))
    ]
    answers: list[Generation] = []
    places: list[range] = []
    for sample, texts, n in zip(samples, predictions, range(len(predictions)), strict=True):
        told = dict(extra["responses"][n]) if extra["responses"] else {}
        trials = [texts] if isinstance(texts, str) else list(texts)
        places.append(range(len(answers), len(answers) + len(trials)))
        answers += [
            Generation(sample.id, trial, Response(**{"text": text, **told}), text)
            for trial, text in enumerate(trials)
        ]
    bound = metric.bind(samples)
    rows = bound.statistics(answers, [samples[int(one.sample_id)] for one in answers])
    combined = np.stack([bound.combine(rows[list(some)]) for some in places])
    values = bound.aggregate(combined, np.ones((1, len(combined))))[0]
    return dict(zip(bound.names, values.tolist(), strict=True))
