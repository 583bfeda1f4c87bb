"""JUnit XML against a schema of what Jenkins, GitLab and Ant all read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from lxml import etree
from report.renderers.published import WORST, checks, hostile, publication
from reports import aggregate, report

from evalkit.report.publication import publication_of
from evalkit.report.renderers.base import Check, Publication, State
from evalkit.report.renderers.junit import render

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "junit.xsd"))


def parsed(one: Publication) -> etree._Element:
    found = etree.fromstring(render(one).encode("utf-8"))
    SCHEMA.assertValid(found)
    return found


def test_each_check_is_a_test_of_its_cases_suite_and_is_counted() -> None:
    root = parsed(publication())
    assert dict(root.attrib) | {"name": ""} == {
        "name": "", "tests": "5", "failures": "1", "errors": "1", "time": "1.500",
    }  # fmt: skip
    qa, sentiment = root
    assert (qa.get("name"), qa.get("errors"), qa.get("tests")) == ("qa", "1", "1")
    assert [sentiment.get(name) for name in ("tests", "failures", "errors", "skipped")] == [
        "4",
        "1",
        "0",
        "1",
    ]
    found = {one.get("name"): one[0].tag for one in sentiment.iter("testcase")}
    assert found == {"accuracy": "failure", "rouge1": "system-out", "bleu": "system-out", "f1": "skipped"}


def test_failure_has_the_numbers_and_the_worst_samples() -> None:
    (failure,) = parsed(publication()).iter("failure")
    assert failure.get("message") == "REGRESSED: sentiment fell"
    assert failure.text is not None
    assert "baseline: 87.5" in failure.text
    assert "sample s7: accuracy 0.0, accuracy 100.0 to 0.0\n  text: Nice <b>day</b>" in failure.text
    assert "  baseline's output: positive\n  output: neutral" in failure.text


@pytest.mark.parametrize("text", ["<b>&\"'", "\x00\x1b[31m", "\ud800", "\ufffe", "]]>", "", "  ", "数据"])
def test_any_text_gives_a_valid_file(text: str) -> None:
    parsed(hostile(text))


def test_run_without_a_gate_has_a_test_for_each_metric_and_one_for_its_requests() -> None:
    made = parsed(publication_of(report("r", aggregate("accuracy"), aggregate("f1_macro"))))
    assert [one.get("name") for one in made.iter("testcase")] == ["requests", "accuracy", "f1_macro"]
    assert made.get("failures") == made.get("errors") == "0"
    assert made[0].get("timestamp") == "2026-01-02T03:04:05"


@pytest.mark.parametrize(("allowed", "errors"), [(0.1, "1"), (0.2, "0")])
def test_failed_requests_are_an_error_beyond_what_the_run_allows(allowed: float, errors: str) -> None:
    counts = {**report().counts, "failed": 2}
    failed = report("r", counts=counts, failures={"timeout": 2}, config={"max_failed": allowed})
    made = parsed(publication_of(failed))
    assert made.get("errors") == errors
    assert "2 of 10 requests failed (2 timeout)" in "".join(made.itertext())


def test_schema_refuses_what_ci_servers_do_not_read() -> None:
    good = render(publication())
    for wrong in (
        good.replace("<skipped", "<ignored").replace("</skipped", "</ignored"),
        good.replace(' tests="1"', ""),
    ):
        assert wrong != good
        assert not SCHEMA.validate(etree.fromstring(wrong.encode("utf-8")))


def test_checks_of_one_case_stand_together() -> None:
    mixed = (
        Check("b", "x", State.PASSED, "m"),
        Check("a", "y", State.PASSED, "m"),
        Check("b", "z", State.PASSED, "m"),
    )
    made = parsed(replace(publication(), checks=mixed))
    assert [(one.get("name"), len(one.findall("testcase"))) for one in made] == [("a", 1), ("b", 2)]
    assert WORST in checks()[0].samples
