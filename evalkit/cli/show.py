"""`evalkit show`: one report, or one sample of it whole."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.cli.output import one_line, print_json, print_table
from evalkit.errors import ReportError, did_you_mean
from evalkit.report.base import Report, read
from evalkit.report.breakdown import confusion_table, label_table, slice_table
from evalkit.report.chance import tested
from evalkit.report.find import find
from evalkit.report.line import generation_of, replies_of, sample_of
from evalkit.report.markdown import harmless
from evalkit.report.outputs import told
from evalkit.report.overview import score_table
from evalkit.report.remarks import drift, ending
from evalkit.report.requests import Requests, text_in


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser("evalkit show", description="One report, or one sample of it whole.")
    found.add_argument("run", metavar="RUN", help="a path, run id, unique prefix, latest or latest:TASK")
    found.add_argument("sample", nargs="?", metavar="SAMPLE", help="a sample's id")
    found.add_argument(
        "--by", action="append", default=[], metavar="COLUMN", help="scores by the values of a column"
    )
    found.add_argument(
        "--confusion", action="store_true", help="precision, recall, F1 and confusions of each label"
    )
    found.add_argument("--json", action="store_true", help="machine-readable")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Print a report's table and facts, or one sample's request, output, prediction and scores."""
    options = parser().parse_args(argv)
    report = read(find(options.run, Path(options.results_dir)))
    if options.sample is not None:
        return _sample(report, options.sample, as_json=options.json)
    if options.by or options.confusion:
        return _parts_of(report, options.by, confusion=options.confusion, as_json=options.json)
    if options.json:
        print_json(report.to_json() | {"folder": str(report.folder)})
        return 0
    print_table(score_table([report], every=True))
    for column, found in report.slices.items():
        print()
        print_table(slice_table(column, found, report))
    for name, value in _facts(report):
        print(f"{name:>12}  {one_line(value)}")
    return 0


def _parts_of(report: Report, columns: Sequence[str], *, confusion: bool, as_json: bool) -> int:
    """Print scores by columns, and figures and confusions by label, also of a run that was not sliced."""
    from evalkit.report.classes import classes_in
    from evalkit.report.slices import slices_by

    slices, classes = slices_by(report, columns), classes_in(report) if confusion else {}
    if confusion and not classes:
        raise ReportError(
            f"run {report.run_id} has no metric of labels; evalkit score {report.run_id} 'metrics=[f1]' "
            "gives it one"
        )
    if as_json:
        print_json({"run_id": report.run_id, "slices": slices, "classes": classes})
        return 0
    tables = [slice_table(column, found, report) for column, found in slices.items()]
    tables += [make(found) for found in classes.values() for make in (label_table, confusion_table)]
    for place, table in enumerate(tables):
        if place:
            print()
        print_table(table)
    return 0


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    counts, model = report.counts, report.model
    yield "status", report.status
    yield "created", report.created
    yield (
        "dataset",
        f"{report.dataset['name']}, {report.dataset['n']} samples, {report.dataset['fingerprint'][:16]}",
    )
    if steps := report.dataset.get("preprocess"):
        yield "pre-processing", ", ".join(f"{name}: {one}" for name, one in steps.items())
    yield "model", f"{model['asked']} (served: {', '.join(model['served']) or 'unknown'})"
    yield "parameters", json.dumps(model["params"], ensure_ascii=False)
    if report.prompt is not None:
        yield "prompt", f"{report.prompt['name']}, {report.prompt['sha256'][:16]}"
    yield "requests", ", ".join(f"{number} {name}" for name, number in counts.items() if name != "requests")
    if report.failures:
        yield "failures", ", ".join(f"{number} {kind}" for kind, number in report.failures.items())
    yield "tokens", f"{report.usage['prompt']} prompt, {report.usage['completion']} completion"
    if report.cost is not None:
        yield "cost", f"{report.cost['usd']:.6f} USD ({report.cost['paid_usd']:.6f} paid by this run)"
    for remark in (*ending(report), *drift(report)):
        yield "note", remark
    for one in tested(report):
        yield "test", str(one)
    for judged in report.dataset.get("origin", {}).get("judged", ()):
        yield "judged", told(judged)
    for signature in dict.fromkeys(one.signature for one in report.metrics.values()):
        yield "signature", signature
    if report.parent is not None:
        yield "scored again", f"the outputs of run {report.parent['run_id']}"
    yield "folder", str(report.folder)


def _sample(report: Report, wanted: str, *, as_json: bool) -> int:
    ids: dict[str, None] = {}
    lines = []
    for line in report.samples():
        ids[line["id"]] = None
        if line["id"] == wanted:
            lines.append(line)
    if not lines:
        raise ReportError(f'run {report.run_id} has no sample "{wanted}"{did_you_mean(wanted, ids)}')
    if as_json:
        print_json([{**line, "messages": Requests(report).messages(line)} for line in lines])
        return 0
    parts = [part for line in lines for part in _parts(report, line)]
    print("\n\n".join(f"--- {title}\n{harmless(text)}" for title, text in parts))
    return 0


def _parts(report: Report, line: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "sample", f"{line['id']}, trial {line['trial']}"
    requests = Requests(report)
    messages = requests.messages(line)
    if messages is None:  # recorded: what was said is known all the same
        for place, (user, reply) in enumerate(requests.talk(line), start=1):
            yield f"user, turn {place}", user
            if place <= len(replies_of(line)):
                yield f"reply, turn {place}", str(reply)
    for message in messages or ():
        yield message["role"], text_in(message)
    if "failure" in line:
        failure = line["failure"]
        yield "failed", f"{failure['kind']} after {failure['attempts']} attempts: {failure['message']}"
        return
    yield "output", line["output"]
    yield "prediction", f"unparsed: {line['unparsed']}" if "unparsed" in line else _text(line["prediction"])
    yield "target", _text(line["target"])
    yield "scores", "\n".join(_scores(report, line))
    usage = line["usage"] or {}
    yield (
        "answer",
        (
            f"finish_reason {line['finish_reason']}, latency {line['latency']} s, "
            f"{usage.get('prompt', '?')} prompt and {usage.get('completion', '?')} completion tokens, "
            f"request {line['request_key'][:16]}"
        ),
    )


def _scores(report: Report, line: Mapping[str, Any]) -> Iterator[str]:
    """Yield each metric's value on this sample alone, with its reason where it gives one."""
    import numpy as np

    from evalkit.config.compose import from_plain
    from evalkit.config.scores import metrics_of

    generation, sample = generation_of(line), sample_of(line)
    targets = [sample_of(one) for one in report.samples()]
    for family, unbound in metrics_of(from_plain(report.config)).items():
        row = np.asarray([line["statistics"][family]], dtype=np.float64)
        metric = unbound.bind(targets)
        values = metric.aggregate(row, np.ones((1, 1)))[0]
        why = metric.explain(generation, sample)
        for name, value in zip(metric.names, values, strict=True):
            if not np.isnan(value):  # a metric of other kinds of samples, or of several at once
                yield f"{name} {value:.4f}"
        if why:
            yield f"  ({why})"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
