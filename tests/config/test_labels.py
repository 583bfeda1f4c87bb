"""Targets that the task's labels do not name: told before anything is asked, with what they may mean."""

import pytest
from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI

OVER = ("task=sentiment", "dataset=jsonl", "dataset.path=rows.jsonl", "dataset.target=label", "resamples=10")


def rows(evalkit: Commands, *labels: object) -> None:
    write_lines(
        evalkit.folder / "rows.jsonl",
        *({"text": f"text {place}", "label": one} for place, one in enumerate(labels)),
    )


def test_targets_that_no_answer_can_equal_are_told_with_what_they_mean(
    evalkit: Commands, server: FakeOpenAI
) -> None:
    rows(evalkit, "neg", "Positive", "neg", "neutral")
    error = evalkit(*asking(server, *OVER)).error
    assert "3 of 4 targets are none of the task's labels (positive, negative, neutral)" in error
    assert '"neg" (2), "Positive" (1)' in error
    assert "dataset.labels='{Positive: positive, neg: negative}'" in error
    assert server.count == 0


def test_what_cannot_be_guessed_is_left_to_the_user(evalkit: Commands, server: FakeOpenAI) -> None:
    rows(evalkit, *range(7))
    assert (
        "0: <label>, 1: <label>, 2: <label>, 3: <label>, 4: <label>, …}"
        in evalkit(*asking(server, *OVER)).error
    )


@pytest.mark.parametrize(
    ("labels", "setting"),
    [
        ((0, 1), "{0: negative, 1: positive}"),
        (("0", "1"), "{0: negative, 1: positive}"),
        ((False, True), "{false: negative, true: positive}"),
        (("neg", "pos"), "{neg: negative, pos: positive}"),
    ],
)
def test_labels_are_spelled_by_texts_numbers_and_truth_values(
    labels: tuple[object, ...], setting: str, evalkit: Commands, server: FakeOpenAI
) -> None:
    rows(evalkit, *labels)
    ran = evalkit(*asking(server, *OVER, f"dataset.labels={setting}"))
    assert ran.code == 0, ran.err
    assert [one["target"] for one in evalkit.samples()] == ["negative", "positive"]


def test_case_is_no_matter_where_the_metric_ignores_it(evalkit: Commands, server: FakeOpenAI) -> None:
    rows(evalkit, "Negative", "Positive")
    ran = evalkit(*asking(server, *OVER, "metrics=[accuracy]", "metrics.accuracy.ignore_case=true"))
    assert ran.code == 0, ran.err


def test_free_answers_have_any_target(evalkit: Commands, server: FakeOpenAI) -> None:
    rows(evalkit, "mixed feelings")
    words = ("task.postprocess=[strip]", "metrics=[exact_match]", "prompt=sentiment_text")
    assert evalkit(*asking(server, *OVER, *words)).code == 0
