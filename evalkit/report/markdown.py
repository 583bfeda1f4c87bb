"""The report as Markdown; everything that a model or a data file wrote is made harmless first."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

from evalkit.prompts import parts_of
from evalkit.report.base import Report
from evalkit.report.breakdown import confusion_table, label_table, slice_table
from evalkit.report.table import Table, score_table

# What is markup wherever it stands, or at a line's beginning; the rest stays readable without a renderer.
_SPECIAL = re.compile(r"([\\`*\[\]#|<>~$&@]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|^[+-])")
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)")  # would begin an ordered list
# GitHub looks for @names and #numbers in the text that is shown, so a backslash does not stop it.
_REFERENCE = re.compile(r"(@(?=\w)|#(?=\d))")
# Joiners that Persian, Indic scripts and emoji need; they change no direction.
_JOINERS = "\u200c\u200d"
_BASIC = 0xFFFF


def render(report: Report) -> str:
    """Return the Markdown of one report: failures first, then the table, then how it was made."""
    parts = [f"# {escape(report.task['name'])}: {escape(report.model['asked'])}", *_warnings(report)]
    table = score_table([report], every=True)
    columns = [place for place, name in enumerate(table.header) if name not in {"task", "run"}]
    parts += [
        markdown_table(
            Table(
                tuple(table.header[place] for place in columns),
                tuple(tuple(row[place] for place in columns) for row in table.rows),
                table.note,
            )
        ),
        f"_{escape(table.note)}_",
        *_breakdown(report),
        "## How it was made",
        "\n".join(f"- {name}: {value}" for name, value in _facts(report)),
    ]
    if report.prompt is not None:
        parts += ["## Prompt", *_prompt(report.prompt["source"])]
    if report.postprocess:
        parts += [
            "## Post-processing",
            fenced(json.dumps(report.postprocess, ensure_ascii=False, indent=2), "json"),
        ]
    parts += ["## Signatures", "\n".join(_signatures(report))]
    return "\n\n".join(parts) + "\n"


def _breakdown(report: Report) -> Iterator[str]:
    """Yield the tables by column and by label."""
    tables = [(f"By {column}", slice_table(column, found, report)) for column, found in report.slices.items()]
    for family, found in report.classes.items():
        tables += [(f"Labels ({family})", label_table(found)), ("Confusions", confusion_table(found))]
    for title, table in tables:
        yield f"## {escape(title)}"
        if table.rows:
            yield markdown_table(table)
        yield f"_{escape(table.note)}_"


def markdown_table(table: Table) -> str:
    """Return a pipe table."""
    lines = ["| " + " | ".join(escape(name) for name in table.header) + " |"]
    lines.append("|" + " --- |" * len(table.header))
    lines += ["| " + " | ".join(escape(cell) for cell in row) + " |" for row in table.rows]
    return "\n".join(lines)


def escape(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML, no mention, no control characters."""
    text = " ".join(harmless(text).split())
    text = _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text))
    return _REFERENCE.sub(r"\1&#8203;", text)


def code(text: str) -> str:
    """Return an inline code span whose delimiter is longer than any run of backticks inside."""
    text = " ".join(harmless(text).split())
    delimiter = "`" * (_longest_backticks(text) + 1)
    pad = " " if "`" in text else ""
    return f"{delimiter}{pad}{text}{pad}{delimiter}" if text else ""


def fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any run of backticks inside."""
    text = harmless(text)
    fence = "`" * max(3, _longest_backticks(text) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def harmless(text: str) -> str:
    """Replace control and direction-changing characters (ANSI, bidi) by visible escapes."""
    return "".join(
        char
        if char in "\n\t" or char in _JOINERS or unicodedata.category(char) not in {"Cc", "Cf", "Cs"}
        else f"\\u{ord(char):04x}"
        if ord(char) <= _BASIC
        else f"\\U{ord(char):08x}"
        for char in text
    )


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in re.findall(r"`+", text)), default=0)


def _warnings(report: Report) -> list[str]:
    counts = report.counts
    found = []
    if counts["failed"]:
        kinds = ", ".join(f"{number} {kind}" for kind, number in report.failures.items())
        found.append(
            f"**{counts['failed']} of {counts['requests']} requests failed** ({escape(kinds)}); "
            "they are not scored."
        )
    if counts["unparsed"]:
        found.append(f"{counts['unparsed']} outputs could not be parsed and count as wrong.")
    if counts["cut_off"]:
        found.append(f"{counts['cut_off']} outputs were cut off at the token limit.")
    if len(report.model["served"]) > 1:
        found.append(f"Several models answered: {escape(', '.join(report.model['served']))}.")
    return found


def _facts(report: Report) -> list[tuple[str, str]]:
    """Facts that do not change when the run is repeated from the cache; times are in report.json."""
    model = report.model
    facts = [
        ("run", escape(report.run_id)),
        *([("scored again", f"outputs of run {escape(report.parent['run_id'])}")] if report.parent else ()),
        ("status", escape(report.status)),
        ("dataset", _dataset(report.dataset)),
        (
            "model",
            f"asked {escape(model['asked'])}, served {escape(', '.join(model['served']) or 'unknown')}",
        ),
        ("parameters", code(json.dumps(model["params"], ensure_ascii=False))),
        ("requests", f"{report.counts['requests']}, {report.counts['cached']} from the cache"),
        ("tokens", f"{report.usage['prompt']} prompt, {report.usage['completion']} completion"),
    ]
    if report.prompt is not None and "fewshot" in report.prompt:
        facts.append(("examples", _examples(report.prompt["fewshot"])))
    if report.cost is not None and report.cost["prices"]["recorded"]:
        facts.append(
            (
                "cost",
                (
                    f"{report.cost['usd']:.4f} USD, {report.cost['paid_usd']:.4f} paid by this run "
                    f"(prices of {escape(report.cost['prices']['recorded'])})"
                ),
            )
        )
    git = report.provenance.get("git")
    if git:
        facts.append(("code", code(git["sha"][:12]) + (" with uncommitted changes" if git["dirty"] else "")))
    facts.append(("made by", escape(f"evalkit {report.provenance['versions'].get('evalkit')}")))
    return facts


def _dataset(dataset: Mapping[str, Any]) -> str:
    """Name, size and fingerprint; what a filter left out, and which commit of the hub was read."""
    text = (
        f"{escape(dataset['name'])}, {dataset['n']} samples, fingerprint {code(dataset['fingerprint'][:16])}"
    )
    if dataset.get("filtered"):
        text += f", {dataset['filtered']} of {dataset['read']} rows left out by the filter"
    origin = dataset.get("origin") or {}
    if "hub" in origin:
        parts = [origin["hub"], origin["subset"], origin["split"]]
        pinned = "" if origin["pinned"] else ", not pinned"
        text += f"; hub: {escape(' '.join(map(str, parts)))} at commit {code(origin['commit'])}{pinned}"
    return text


def _examples(fewshot: Mapping[str, Any]) -> str:
    """How many, from where, by which seed, and which rows."""
    split = f", split {escape(fewshot['split'])}" if fewshot["split"] else ""
    balanced = ", as many of each label" if fewshot["balanced"] else ""
    ids = ", ".join(code(one) for one in fewshot["ids"])
    return (
        f"{fewshot['k']} ({escape(fewshot['form'])}) of {escape(fewshot['pool'])}{split}{balanced}, "
        f"seed {fewshot['seed']}: {ids}"
    )


def _prompt(source: Any) -> list[str]:
    blocks = [f"{escape(name)}:\n\n{fenced(text)}" for name, text in parts_of(source)]
    if source["variables"]:
        blocks.append("variables:\n\n" + fenced(json.dumps(source["variables"], ensure_ascii=False), "json"))
    return blocks


def _signatures(report: Report) -> list[str]:
    signatures: dict[str, list[str]] = {}
    for name, one in report.metrics.items():
        signatures.setdefault(one.signature, []).append(name)
    return [f"- {escape(', '.join(names))}: {code(signature)}" for signature, names in signatures.items()]
