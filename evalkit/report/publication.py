"""A report -> what every format is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.prompts import parts_of
from evalkit.records import Aggregate
from evalkit.report.base import Report
from evalkit.report.breakdown import confusion_table, label_table, slice_table
from evalkit.report.chance import tested
from evalkit.report.excerpts import worst
from evalkit.report.grid import Grid, grid_of
from evalkit.report.outputs import told
from evalkit.report.overview import report_grid
from evalkit.report.remarks import drift, ending
from evalkit.report.renderers.base import Check, Excerpt, Publication, State
from evalkit.report.table import interval, shown

SAMPLES = 20
"""Samples that a publication quotes, and each check of it at most a quarter of them."""


def publication_of(report: Report, *, samples: int = 0) -> Publication:
    """Return what is published of one run, with so many of its worst samples."""
    quoted = worst(report, {None: samples, **dict.fromkeys(report.metrics, samples // 4)})
    return Publication(
        title=f"{report.task['name']}: {report.model['asked']}",
        grids=(report_grid(report),),
        warnings=tuple(_warnings(report)),
        checks=tuple(_checks(report, quoted)),
        details=tuple(_details(report)),
        facts=tuple(facts_of(report)),
        texts=tuple(_texts(report)),
        samples=quoted[None],
        score=headline(report),
        label=label_of(report),
        created=report.created,
        seconds=report.timing.get("seconds") or 0.0,
        data=report.to_json(),
    )


def headline(report: Report) -> Aggregate | None:
    """Return the value that stands for a run: the first that its first metric names."""
    names = [name for family in report.families.values() for name in family["headline"]]
    return next((report.metrics[name] for name in (*names, *report.metrics) if name in report.metrics), None)


def label_of(report: Report) -> str:
    """Return what the headline is of: `sentiment accuracy`."""
    one = headline(report)
    return f"{report.task['name']} {one.metric}" if one is not None else str(report.task["name"])


def figures(one: Aggregate) -> list[str]:
    """Return a value's numbers, one a line."""
    found = [f"score: {shown(one.value, one.maximum, one.unit)}"]
    if interval(one) != "-":
        found.append(f"{one.confidence * 100:g}% interval: {interval(one)} ({one.interval})")
    found.append(f"n: {one.n}; failed: {one.n_failed}; unparsed: {one.n_unparsed}")
    found.append(f"signature: {one.signature}")
    return found


def _warnings(report: Report) -> Iterator[str]:
    counts = report.counts
    yield from (f"{_sentence(one)}." for one in ending(report))
    if counts["failed"]:
        yield f"{failures(report)}; they are not scored."
    if counts["unparsed"]:
        one = counts["unparsed"] == 1
        yield f"{_outputs(counts['unparsed'])} could not be parsed and count{'s' if one else ''} as wrong."
    if counts["cut_off"]:
        were = "was" if counts["cut_off"] == 1 else "were"
        yield f"{_outputs(counts['cut_off'])} {were} cut off at the token limit."
    yield from (f"{_sentence(one)}." for one in drift(report))


def _outputs(number: int) -> str:
    return f"{number} output{'' if number == 1 else 's'}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def failures(report: Report) -> str:
    """Say how many requests failed, and why."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in report.failures.items())
    counts = report.counts
    return f"{counts['failed']} of {counts['requests']} requests failed ({kinds})"


def requests_check(report: Report, case: str) -> Check:
    """Return the check that the requests were answered: an error beyond the share that the run allowed."""
    counts = report.counts
    name = "requests"
    if not counts["failed"]:
        return Check(case, name, State.PASSED, f"all {counts['requests']} requests were answered")
    allowed = float(report.config.get("max_failed") or 0.0)
    too_many = counts["failed"] > allowed * counts["requests"]
    state = State.ERROR if too_many else State.PASSED
    return Check(case, name, state, f"{failures(report)}; max_failed={allowed:g}", warning=True)


def _checks(report: Report, quoted: Mapping[str | None, Sequence[Excerpt]]) -> Iterator[Check]:
    case = report.task["name"]
    yield requests_check(report, case)
    for name, one in report.metrics.items():
        score = f"{name} {shown(one.value, one.maximum, one.unit)} {interval(one)}, n = {one.n}"
        yield Check(case, name, State.PASSED, score, figures(one), quoted[name])


def _details(report: Report) -> Iterator[Grid]:
    """Yield the tables by column and by label."""
    for column, found in report.slices.items():
        yield grid_of(slice_table(column, found, report), f"By {column}")
    for family, found in report.classes.items():
        yield grid_of(label_table(found), f"Labels ({family})")
        yield grid_of(confusion_table(found), "Confusions")


def facts_of(report: Report) -> Iterator[tuple[str, str]]:
    """Yield how a run was made: what does not change when it is repeated from the cache."""
    model, prompt = report.model, report.prompt
    yield "run", report.run_id
    if report.parent:
        yield "scored again", f"outputs of run {report.parent['run_id']}"
    yield "status", report.status
    yield "dataset", _dataset(report.dataset)
    if steps := report.dataset.get("preprocess"):
        yield "pre-processing", ", ".join(f"{name}: {one}" for name, one in steps.items())
    for judged in report.dataset.get("origin", {}).get("judged", ()):
        yield "judged", told(judged)
    for one in tested(report):
        yield "test", str(one)
    if "retrieval" in report.dataset:
        yield "passages", _passages(report.dataset["retrieval"])
    yield "model", f"asked {model['asked']}, served {', '.join(model['served']) or 'unknown'}"
    yield "parameters", json.dumps(model["params"], ensure_ascii=False)
    yield "requests", f"{report.counts['requests']}, {report.counts['cached']} from the cache"
    yield "tokens", f"{report.usage['prompt']} prompt, {report.usage['completion']} completion"
    if prompt is not None and "fewshot" in prompt:
        yield "examples", _examples(prompt["fewshot"])
    cost, git = report.cost, report.provenance.get("git")
    if cost is not None and cost["prices"]["recorded"]:
        paid = f"{cost['usd']:.4f} USD, {cost['paid_usd']:.4f} paid by this run"
        yield "cost", f"{paid} (prices of {cost['prices']['recorded']})"
    if git:
        yield "code", git["sha"][:12] + (" with uncommitted changes" if git["dirty"] else "")
    yield "made by", f"evalkit {report.provenance['versions'].get('evalkit')}"


def _dataset(dataset: Mapping[str, Any]) -> str:
    """Name, size and fingerprint; what a filter left out, and which commit of the hub was read."""
    text = f"{dataset['name']}, {dataset['n']} samples, fingerprint {dataset['fingerprint'][:16]}"
    if dataset.get("filtered"):
        text += f", {dataset['filtered']} of {dataset['read']} rows left out by the filter"
    origin = dataset.get("origin") or {}
    if "hub" in origin:
        parts = [origin["hub"], origin["subset"], origin["split"]]
        pinned = "" if origin["pinned"] else ", not pinned"
        text += f"; hub: {' '.join(map(str, parts))} at commit {origin['commit']}{pinned}"
    return text


def _passages(retrieval: Mapping[str, Any]) -> str:
    """How many were shown, from where, and how they were found."""
    if "fingerprint" in retrieval:
        of = (
            f"{retrieval['knowledge']} ({retrieval['passages']}, fingerprint {retrieval['fingerprint'][:16]})"
        )
    else:
        of = f"each sample's own (column {retrieval['column']})"
    nothing = f"; none found for {retrieval['without']} samples" if retrieval["without"] else ""
    return f"{retrieval['k']} of {of} by {retrieval['signature']}{nothing}"


def _examples(fewshot: Mapping[str, Any]) -> str:
    """How many, from where, by which seed, and which rows."""
    split = f", split {fewshot['split']}" if fewshot["split"] else ""
    balanced = ", as many of each label" if fewshot["balanced"] else ""
    return (
        f"{fewshot['k']} ({fewshot['form']}) of {fewshot['pool']}{split}{balanced}, "
        f"seed {fewshot['seed']}: {', '.join(fewshot['ids'])}"
    )


def _texts(report: Report) -> Iterator[tuple[str, str]]:
    if report.prompt is not None:
        source = report.prompt["source"]
        for name, text in parts_of(source):
            yield f"Prompt: {name}", text
        if source["variables"]:
            yield "Prompt: variables", json.dumps(source["variables"], ensure_ascii=False)
    if report.postprocess:
        yield "Post-processing", json.dumps(report.postprocess, ensure_ascii=False, indent=2)
    signatures: dict[str, list[str]] = {}
    for name, one in report.metrics.items():
        signatures.setdefault(one.signature, []).append(name)
    lines = (f"{', '.join(names)}: {signature}" for signature, names in signatures.items())
    yield "Signatures", "\n".join(lines)
