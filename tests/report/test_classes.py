"""Figures and confusions by label, against scikit-learn's for the same eight answers."""

from __future__ import annotations

from typing import Any

from metrics.material import generations, samples
from reports import report

from evalkit.metrics.accuracy import Accuracy
from evalkit.metrics.f1 import F1
from evalkit.report.breakdown import MOST_CONFUSIONS, confusion_table, label_table
from evalkit.report.classes import classes_of
from evalkit.report.publication import publication_of
from evalkit.report.renderers.markdown import render

TARGETS = ["pos", "pos", "neg", "neu", "neg", "pos", "neu", "neg"]
PREDICTIONS = ["pos", "neg", "neg", "pos", "neg", "???", "neu", None]


def classes(targets: list[str], predictions: list[Any], **options: Any) -> dict[str, Any]:
    asked, given = samples(targets), generations(predictions)
    metric = F1(**options).bind(asked)
    rows = metric.statistics(given, asked)
    found = classes_of(metric, rows, rows, [one.unparsed is not None for one in given])
    assert found is not None
    return found


def test_label_table_has_scikit_learns_figures() -> None:
    """precision_recall_fscore_support: neg 2/3 2/3 2/3 of 3, neu 1 1/2 2/3 of 2, pos 1/2 1/3 2/5 of 3."""
    table = label_table(classes(TARGETS, PREDICTIONS))
    assert table.rows == (
        ("neg", "66.7", "66.7", "66.7", "3"),
        ("neu", "100.0", "50.0", "66.7", "2"),
        ("pos", "50.0", "33.3", "40.0", "3"),
    )


def test_confusion_matrix_keeps_other_labels_and_unparsed_answers_apart() -> None:
    """scikit-learn's confusion_matrix, its column for neither label divided by hand: "???" and None."""
    table = confusion_table(classes(TARGETS, PREDICTIONS))
    assert table.header == ("target \\ predicted", "neg", "neu", "pos", "(other)", "(unparsed)")
    assert table.rows == (
        ("neg", "2", "0", "0", "0", "1"),
        ("neu", "0", "1", "1", "0", "0"),
        ("pos", "1", "0", "1", "1", "0"),
    )


def test_targets_outside_an_explicit_set_have_a_row_of_their_own() -> None:
    table = confusion_table(classes(TARGETS, PREDICTIONS, labels=["neg", "pos"]))
    assert table.rows[-1] == ("(other)", "0", "1", "1", "0")


def test_of_many_labels_the_most_frequent_confusions_are_listed() -> None:
    targets = [f"label {number:02}" for number in range(40)]
    predictions = [*targets[1:], None]
    table = confusion_table(classes([*targets, "label 07"], [*predictions, "label 08"]))
    assert len(table.rows) == MOST_CONFUSIONS
    assert table.rows[0] == ("label 07", "label 08", "2")
    assert "20 rarer ones are left out" in table.note


def test_a_metric_without_labels_has_none() -> None:
    asked, given = samples(["a"]), generations(["a"])
    rows = Accuracy().statistics(given, asked)
    assert classes_of(Accuracy(), rows, rows, [False]) is None


def test_markdown_shows_figures_and_matrix() -> None:
    text = render(publication_of(report("r", classes={"f1": classes(TARGETS, PREDICTIONS)})))
    assert "| neg | 66.7 | 66.7 | 66.7 | 3 |" in text
    assert "| neu | 0 | 1 | 1 | 0 | 0 |" in text
