"""A stored run read back as what it was made of, and its report with other scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from evalkit.errors import ReportError
from evalkit.records import Generation, Outcome, Sample
from evalkit.report.base import SCHEMA_VERSION, Report
from evalkit.report.line import numbers, outcome_of, sample_of
from evalkit.report.make import classes_by_family, family_of
from evalkit.report.slices import slices_of

if TYPE_CHECKING:
    from evalkit.scoring import Resampling, Scored


@dataclass(frozen=True)
class Stored:
    """Samples in dataset order, and one outcome for each line of samples.jsonl.

    `forms` are the samples as they were asked, by id and trial.
    """

    samples: tuple[Sample, ...]
    forms: Mapping[tuple[str, int], Sample]
    outcomes: Sequence[Outcome]
    lines: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Rescoring:
    """What a report with other scores has of its own."""

    run_id: str
    created: str
    postprocess: list[Any]
    config: Mapping[str, Any]
    seeds: Mapping[str, int]
    provenance: Mapping[str, Any]
    slices: Sequence[str]
    resampling: Resampling


def stored(report: Report) -> Stored:
    """Read a run's samples and outputs; ReportError where a line is damaged or was edited."""
    samples: dict[str, Sample] = {}
    forms: dict[tuple[str, int], Sample] = {}
    outcomes, lines = [], []
    for number, line in enumerate(report.samples(), start=1):
        where = f"{report.folder}/samples.jsonl, line {number}"
        try:
            sample = sample_of(line)
            outcomes.append(outcome_of(line))
            changed = sample.hash != line["hash"]
        except (KeyError, TypeError, AttributeError) as error:
            raise ReportError(f"{where}: damaged ({error}); run the task again") from error
        if changed:
            raise ReportError(
                f'{where}: input or target of sample "{sample.id}" was changed after the run; '
                "run the task again"
            )
        samples.setdefault(sample.id, sample)
        forms[sample.id, line["trial"]] = sample
        lines.append(line)
    if not lines:
        raise ReportError(f"{report.folder}: no samples in the report; there is nothing to score")
    return Stored(tuple(samples.values()), forms, outcomes, lines)


def rescored_report(
    report: Report, lines: Iterable[Mapping[str, Any]], scored: Scored, new: Rescoring
) -> Report:
    """Return the report of a stored run's `lines` with other scores; it names the run as its parent.

    Model, usage, failures and times are the parent's, and so is the cost; nothing was paid again.
    """
    unparsed = int(scored.unparsed.sum())
    return replace(
        report,
        run_id=new.run_id,
        created=new.created,
        postprocess=new.postprocess,
        metrics={one.metric: one for one in scored.aggregates},
        families={name: family_of(metric) for name, metric in scored.metrics.items()},
        counts={**report.counts, "unparsed": unparsed},
        cost=None if report.cost is None else {**report.cost, "paid_usd": 0.0},
        provenance=_provenance(new.provenance, report.provenance),
        config=new.config,
        seeds=new.seeds,
        suite=None,
        slices=slices_of(lines, scored.metrics, new.slices, new.resampling) if new.slices else {},
        classes=classes_by_family(scored),
        parent={
            "run_id": report.run_id,
            "created": report.created,
            "git": report.provenance.get("git"),
            "parent": report.parent,
        },
        schema_version=SCHEMA_VERSION,
        folder=None,
    )


def rescored_lines(
    found: Stored, scored: Scored, read: Sequence[Generation | None]
) -> Iterator[dict[str, Any]]:
    """Yield the lines of samples.jsonl with the new predictions and statistics, all else as it was.

    `read` is what was read in each line's answer, None for failures.
    """
    place = 0
    for line, generation in zip(found.lines, read, strict=True):
        made = dict(line)
        if generation is not None:
            made["prediction"] = generation.prediction
            if generation.unparsed is None:
                made.pop("unparsed", None)
            else:
                made["unparsed"] = generation.unparsed
            if "turns" in line:
                made["turns"] = [
                    {**turn, "prediction": prediction}
                    for turn, prediction in zip(line["turns"], generation.earlier_predictions, strict=True)
                ]
            made["statistics"] = {name: numbers(rows[place]) for name, rows in scored.statistics.items()}
            place += 1
        yield made


def _provenance(mine: Mapping[str, Any], parents: Mapping[str, Any]) -> dict[str, Any]:
    """This run's own, but made from uncommitted changes when its parent was: nobody could make it again."""
    git, other = mine.get("git"), parents.get("git")
    dirty = bool(other and other["dirty"])
    return {**mine, "git": git if not git else {**git, "dirty": git["dirty"] or dirty}}
