"""One made-up publication with everything in it, and ones whose every text is hostile."""

from __future__ import annotations

from dataclasses import replace

from reports import aggregate, report

from evalkit.report.grid import Cell, Column, Grid, Kind, Mark, number_cell, score_cell, with_best
from evalkit.report.publication import publication_of
from evalkit.report.renderers.base import Check, Excerpt, Place, Publication, State

WORST = Excerpt(
    id="s7",
    trial=0,
    input={"text": "Nice <b>day</b>"},
    target="positive",
    output="neutral",
    scores={"accuracy": 0.0},
    remark="accuracy 100.0 to 0.0",
    before="positive",
)


def grid(*names: str) -> Grid:
    """Models in rows; accuracy with intervals and marks, TER without, cost."""
    first, second = names or ("gpt-4o", "gpt-4.1")
    better = aggregate(value=0.875, low=0.8, high=0.95)
    worse = aggregate(value=0.75, low=0.65, high=0.85)
    ter = {"maximum": 100.0, "higher_is_better": False, "low": None, "high": None}
    columns = (
        Column("model"),
        Column("accuracy", Kind.SCORE, higher_is_better=True),
        Column("ter", Kind.SCORE, higher_is_better=False),
        Column("cost USD", Kind.NUMBER, higher_is_better=False),
        Column("run"),
    )
    rows = (
        (
            Cell(first),
            score_cell(better),
            score_cell(aggregate("ter", 40.0, **ter)),
            number_cell(0.5, "{:.4f}"),
            Cell("run-1"),
        ),
        (
            Cell(second),
            score_cell(worse, Mark(-12.5, 0.004)),
            score_cell(aggregate("ter", 52.5, **ter)),
            number_cell(0.02, "{:.4f}"),
            Cell("run-2"),
        ),
    )
    return with_best(Grid(columns, rows, "scores x 100 with 95% intervals"))


def checks(text: str = "sentiment", place: str = "configs/prompt/mine.yaml") -> tuple[Check, ...]:
    """One check of each state."""
    return (
        Check(
            text,
            "accuracy",
            State.FAILED,
            f"REGRESSED: {text} fell",
            ("baseline: 87.5",),
            (WORST,),
            Place(place, 4),
        ),
        Check(text, "rouge1", State.PASSED, "PASSED: rouge1 rose", ("baseline: 20.0",)),
        Check(text, "bleu", State.PASSED, "INCONCLUSIVE: bleu fell", warning=True),
        Check(text, "f1", State.SKIPPED, "does not gate: f1 fell"),
        Check("qa", "comparable", State.ERROR, "the two sides share no sample"),
    )


def publication() -> Publication:
    """What a gate publishes, with a table of two models."""
    made = publication_of(report("20260102-030405-abcdef", aggregate(value=0.875, low=0.8, high=0.95)))
    return replace(
        made,
        grids=(grid(),),
        verdict="REGRESSED",
        sentence="REGRESSED: sentiment accuracy fell by 12.5 points.",
        warnings=("2 of 10 requests failed (2 timeout); they are not scored.",),
        remarks=("sentiment: the prompt changed",),
        checks=checks(),
        samples=(WORST,),
        data={"b": 1, "a": None},
    )


def hostile(text: str) -> Publication:
    """The same text wherever somebody else's can stand."""
    quoted = Excerpt(text, 1, {text: text}, text, text, {text: 1.0}, text, text)
    wrong = replace(checks(text, text)[0], name=text, message=text, figures=(text,), samples=(quoted,))
    named = grid(text, f"{text} 2")
    columns = (replace(named.columns[0], name=text), *named.columns[1:])
    return Publication(
        title=text,
        grids=(replace(named, columns=columns, note=text, title=text),),
        verdict=text,
        sentence=text,
        warnings=(text,),
        checks=(wrong,),
        details=(replace(named, title=text),),
        remarks=(text,),
        facts=((text, text),),
        texts=((text, text),),
        samples=(quoted,),
        score=aggregate(text),
        data={text: text},
    )
