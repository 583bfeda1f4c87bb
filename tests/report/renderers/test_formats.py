"""What each format promises beside its golden file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from lxml import etree
from report.renderers.published import WORST, grid, publication
from reports import aggregate

from evalkit.errors import UsageError
from evalkit.report.grid import Cell, Column, Grid, Kind
from evalkit.report.renderers import badge, chart, delimited, github, latex, markdown
from evalkit.report.renderers.base import Check, Publication, State
from evalkit.report.renderers.svg import fitted, ticks, width_of


def test_markdown_cuts_samples_and_never_the_table() -> None:
    """Two thousand samples of 2 KB are 4 MB; GitHub shows nothing of a summary beyond 1 MiB."""
    long = replace(WORST, input={"text": "word " * 400}, output="é" * 500)
    samples = [replace(long, id=f"s{number}") for number in range(2000)]
    made = markdown.render(replace(publication(), samples=samples))
    assert 0.8 * markdown.LIMIT < len(made.encode("utf-8")) <= markdown.LIMIT == 900 * 1024
    whole = markdown.markdown_table(grid())
    assert whole in made
    assert "more would make this file too long" in made
    assert "`s0`" in made


def test_a_comment_has_room_in_a_pull_request() -> None:
    """GitHub takes 65,536 characters; verdict and table are there whole, samples until it is full."""
    one = publication()
    long = replace(one.samples[0], output="数" * 2000)
    text = markdown.comment(replace(one, samples=[long] * 100))
    assert 50_000 < len(text.encode("utf-8")) <= 60_000
    assert markdown.markdown_table(one.grids[0]) in text
    assert one.sentence.rstrip(".") in text


def test_markdown_says_what_had_no_room() -> None:
    made = markdown.render(replace(publication(), texts=[("Prompt: user", "x" * 3000)]), limit=2500)
    assert "Left out, because this file would be too long: Prompt: user" in made
    assert markdown.markdown_table(grid()) in made
    assert "x" * 100 not in made


def test_annotations_stand_at_the_line_that_changed_with_their_texts_escaped() -> None:
    first, *_ = github.render(publication()).splitlines()
    assert first == (
        "::error file=configs/prompt/mine.yaml,line=4,title=sentiment accuracy::"
        "REGRESSED: sentiment fell%0Abaseline: 87.5%0Aworst samples: s7"
    )
    assert (
        github.command("error", "50%\r\n::x", title="a: b, c%")
        == "::error title=a%3A b%2C c%25::50%25\\u000d%0A::x"
    )


def test_inconclusive_check_is_a_warning_and_a_passed_one_is_nothing() -> None:
    lines = github.render(publication()).splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["::error", "::error", "::warning", "::notice"]
    assert lines[2] == "::warning title=sentiment bleu::INCONCLUSIVE: bleu fell"


def test_no_more_annotations_than_github_shows_of_a_step() -> None:
    many = [Check("c", f"m{number}", State.FAILED, "fell") for number in range(25)]
    lines = github.render(Publication("t", checks=many)).splitlines()
    assert len(lines) == 10
    assert lines[-1].endswith("::16 more; the table has them")


def test_csv_has_stored_values_with_interval_and_difference() -> None:
    rows = list(csv.DictReader(io.StringIO(delimited.csv(publication()), newline=""), strict=True))
    assert rows[1] == {
        "model": "gpt-4.1", "accuracy": "0.75", "accuracy_low": "0.65", "accuracy_high": "0.85",
        "accuracy_points": "-12.5", "accuracy_p_adjusted": "0.004", "ter": "52.5", "cost USD": "0.02",
        "run": "run-2",
    }  # fmt: skip
    assert rows[0]["accuracy_points"] == ""


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-x", "'-x"),
        ("-2.5", "-2.5"),
        ("+3", "+3"),
        ("-", "-"),
        ("a=b", "a=b"),
    ],
)
def test_what_a_spreadsheet_would_compute_gets_an_apostrophe(text: str, field: str) -> None:
    assert delimited.guarded(text) == field


def test_latex_has_the_best_in_bold_and_stars_of_significance() -> None:
    made = latex.render(publication())
    assert r"gpt-4o & \textbf{87.5} {\scriptsize {}[80.0, 95.0]} & \textbf{40.0} & 0.5000 & run-1 \\" in made
    assert r"gpt-4.1 & 75.0$^{**}$ {\scriptsize {}[65.0, 85.0]} & 52.5 & \textbf{0.0200} & run-2 \\" in made
    assert r"$^{*}$ $p < 0.05$, $^{**}$ $p < 0.01$" in made


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("a--b", "a-{}-b"),
        ("---", "-{}-{}-"),
        ("''", "'{}'"),
        ("[x]", "{}[x]"),
        ("a\\b", r"a\textbackslash{}b"),
    ],
)
def test_latex_sets_texts_letter_by_letter(text: str, spelled: str) -> None:
    assert latex.escape(text) == spelled


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(0.844, 0.906, "87.5 ± 3.1"), (0.8, 0.9, "87.5 [80.0, 90.0]"), (None, None, "87.5")],
)
def test_badge_shows_plus_minus_only_where_it_is_true(
    low: float | None, high: float | None, text: str
) -> None:
    assert badge.score(aggregate(value=0.875, low=low, high=high)) == text


def test_badge_has_the_verdict_in_words_and_a_colour() -> None:
    made = badge.render(replace(publication(), verdict="REGRESSED"))
    assert "· regressed</text>" in made
    assert badge.COLOURS["REGRESSED"] in made
    assert "not scored" in badge.render(Publication("t"))


def test_chart_draws_values_in_proportion() -> None:
    """87.5 lies between 80 and 95, 75 between 65 and 85: as far apart as the axis says."""
    root = etree.fromstring(chart.scores(publication()).encode())
    space = "{http://www.w3.org/2000/svg}"
    texts = {one.text: float(one.get("x", "nan")) for one in root.iter(f"{space}text")}
    left, right = texts["70"], texts["90"]
    dots = [float(one.get("cx", "nan")) for one in root.iter(f"{space}circle")]
    assert dots[0] == pytest.approx(left + (87.5 - 70) / 20 * (right - left), abs=0.2)
    assert dots[1] == pytest.approx(left + (75.0 - 70) / 20 * (right - left), abs=0.2)


def test_chart_of_tasks_without_a_common_metric_names_the_task_of_each_score() -> None:
    columns = (
        *map(Column, ("task", "dataset", "metric")),
        Column("score", Kind.SCORE),
        Column("interval", Kind.INTERVAL),
        Column("run"),
    )
    rows = [
        (*map(Cell, (task, task, metric)), Cell("50.0", 0.5, 0.4, 0.6), Cell(""), Cell(f"run of {task}"))
        for task, metric in (("sentiment", "accuracy"), ("qa", "exact_match"), ("qa", "token_f1"))
    ]
    made = chart.scores(Publication("Scores", grids=(Grid(columns, tuple(rows), "note"),)))
    assert re.findall(r">([^<]*)</text>", made)[0] == "Scores"
    for name in ("sentiment, accuracy", "qa, exact_match", "qa, token_f1"):
        assert f">{name}</text>" in made


def test_cost_chart_is_logarithmic_over_a_wide_range_and_refuses_no_costs() -> None:
    made = chart.cost(publication())
    assert "US dollars, logarithmic" in made
    assert ">0.01<" in made
    columns = tuple(one for one in grid().columns if one.name != "cost USD")
    rows = tuple((*row[:3], row[4]) for row in grid().rows)
    with pytest.raises(UsageError, match="fewer than two rows with a cost"):
        chart.cost(Publication("t", grids=(Grid(columns, rows, ""),)))


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [(64.1, 96.7, [60, 70, 80, 90, 100]), (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]), (50.0, 50.0, [50])],
)
def test_ticks_are_round_numbers_around_the_values(low: float, high: float, found: list[float]) -> None:
    assert ticks(low, high)[: len(found)] == pytest.approx(found)


def test_texts_are_cut_to_the_room_there_is() -> None:
    assert fitted("short", 12, 100) == "short"
    cut = fitted("word " * 4000, 12, 100)
    assert cut.endswith("…")
    assert width_of(cut, 12) <= 100
    assert width_of(fitted("数据" * 50, 12, 100), 12) <= 100
