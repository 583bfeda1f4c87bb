from __future__ import annotations

import inspect
import re

import pytest

from evalkit import errors
from evalkit.errors import EvalkitError, RequestError, did_you_mean


def test_the_tree_drawn_in_the_docstring_is_the_tree_of_the_code() -> None:
    """Each drawn line is `branch Name  exit code  text`; a class without a code drawn inherits it."""
    drawn = {
        match[1]: match[2]
        for match in re.finditer(r"^[│├└─\s]*(\w+) +([25-])?", errors.__doc__ or "", re.MULTILINE)
    }
    classes = {
        name: one
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, EvalkitError) and one is not EvalkitError
    }
    assert set(classes) <= set(drawn)
    for name, one in classes.items():
        if drawn[name] not in {None, "-"}:
            assert one.exit_code == int(drawn[name]), name


@pytest.mark.parametrize("name", ["ConfigError", "DatasetError", "PromptError", "ModelError", "MetricError"])
def test_a_mistake_of_the_user_exits_with_2(name: str) -> None:
    one = getattr(errors, name)
    assert issubclass(one, errors.UsageError)
    assert one.exit_code == 2


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("qestion", ' (did you mean "question"?)'),
        ("ID", ' (did you mean "id"?)'),
        ("LABLE", ' (did you mean "Label"?)'),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_choice_is_offered_whatever_its_case(word: str, hint: str) -> None:
    assert did_you_mean(word, ["question", "id", "Label"]) == hint


def test_a_request_error_names_its_kind() -> None:
    assert str(RequestError("timeout", "no answer in 120 s")) == "timeout: no answer in 120 s"
