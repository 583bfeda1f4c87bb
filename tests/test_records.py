"""Expected hashes were made by coreutils: `printf '{}' | sha256sum`."""

from __future__ import annotations

import dataclasses
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.records import Generation, Request, Response, Sample, canonical_json, content_hash, text_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def test_canonical_json_sorts_keys_and_escapes_what_is_not_ascii() -> None:
    assert canonical_json({"b": 1, "a": [True, None, "é"]}) == '{"a":[true,null,"\\u00e9"],"b":1}'


@pytest.mark.parametrize(
    ("value", "sha256"),
    [
        ({}, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"),
        ("", "12ae32cb1ec02d01eda3581b127c1fee3b0dc53572ed6baf239721a03d82e126"),
        (
            {"b": 1, "a": [True, None, "é"]},
            "ef6470ba9d8048e5122c7f3dc9137c14e6d052bd3a8d2c3318d19cc8c1e22b3c",
        ),
    ],
)
def test_content_hash_is_sha256_of_the_canonical_spelling(value: Any, sha256: str) -> None:
    assert content_hash(value) == sha256


@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


odd_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(
            st.text() | st.integers() | st.none() | st.booleans() | st.floats(), inner, max_size=4
        )
    ),
    max_leaves=15,
)


@given(odd_values)
def test_the_spelling_is_that_of_the_standard_library_and_so_are_refusals(value: Any) -> None:
    """Keys of requests and hashes of samples lie in caches and reports: not one byte may change."""
    try:
        wanted = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            canonical_json(value)
    else:
        assert canonical_json(value) == wanted


def test_a_value_in_a_circle_is_refused_and_the_next_one_spelled() -> None:
    circle: list[Any] = []
    circle.append(circle)
    for _ in range(2):
        with pytest.raises(ValueError, match="Circular"):
            canonical_json(circle)
        assert canonical_json([[1]]) == "[[1]]"


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (1, 1.0), (1, True), (None, "null"), ([], {}), ("", None)]
)
def test_values_of_different_types_have_different_hashes(one: Any, other: Any) -> None:
    assert content_hash(one) != content_hash(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_not_a_number_has_no_canonical_spelling(value: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(value)


def test_lone_surrogates_can_be_hashed() -> None:
    assert canonical_json("\ud83d") == '"\\ud83d"'


def test_request_key_is_the_hash_of_server_endpoint_body_and_trial() -> None:
    """`{"body":{"messages":[],"model":"m"},"endpoint":"chat","server":"s","trial":0}` and with trial 1."""
    request = Request("s", "chat", {"model": "m", "messages": []})
    assert request.key == "9741bcbaeff46c794555675bffa469c5ad03f54541ba1879f8a3f4b0dc9960a0"
    again = Request("s", "chat", {"messages": [], "model": "m"}, trial=1)
    assert again.key == "ab0ccaef09ff6d4e941eabad472571e87e1e438d5c21717dc739e8132c4628dd"


@pytest.mark.parametrize(
    "other",
    [
        Request("t", "chat", {"model": "m"}),
        Request("s", "responses", {"model": "m"}),
        Request("s", "chat", {"model": "n"}),
        Request("s", "chat", {"model": "m", "temperature": 0}),
        Request("s", "chat", {"model": "m"}, trial=1),
    ],
)
def test_everything_that_can_change_the_answer_changes_the_key(other: Request) -> None:
    assert other.key != Request("s", "chat", {"model": "m"}).key


def test_sample_hash_is_over_input_and_target_alone() -> None:
    """`{"input":{"text":"hi"},"target":"yes"}`."""
    sample = Sample("1", {"text": "hi"}, "yes", {"source": "web"}, "doc")
    assert sample.hash == "870eb21db424c021dc670156233504cd33b14ced07884419d3ae4581d1a9ddfb"
    assert Sample("2", {"text": "hi"}, "yes").hash == sample.hash
    assert Sample("1", {"text": "hi"}, "no").hash != sample.hash
    assert Sample("1", {"text": "ho"}, "yes").hash != sample.hash


@pytest.mark.parametrize(
    ("target", "references"),
    [
        (None, ()),
        ("yes", ("yes",)),
        ("", ("",)),
        (["a", "b"], ("a", "b")),
        ([1, 2.5, True], ("1", "2.5", "true")),
        (7, ("7",)),
        (False, ("false",)),
        ({"a": "é"}, ('{"a": "é"}',)),
    ],
)
def test_references_are_the_acceptable_texts(target: Any, references: tuple[str, ...]) -> None:
    assert Sample("1", {}, target).references == references


@pytest.mark.parametrize(
    ("value", "text"), [("x", "x"), (True, "true"), (3, "3"), (3.5, "3.5"), (None, "null")]
)
def test_text_of_a_leaf_is_its_json_spelling_without_quotes(value: Any, text: str) -> None:
    assert text_of(value) == text


def test_text_of_a_generation_is_none_only_when_unparsed() -> None:
    response = Response("raw")
    assert Generation("1", 0, response, unparsed="no label").text is None
    assert Generation("1", 0, response, "").text == ""
    assert Generation("1", 0, response, 3).text == "3"


def test_records_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Sample("1", {}).id = "2"  # type: ignore[misc]


def test_a_request_is_copied_with_its_key() -> None:
    request = Request("server", "chat", {"model": "m", "messages": []}, 2)
    assert pickle.loads(pickle.dumps(request)).__dict__.get("key") is None
    key = request.key
    copy = pickle.loads(pickle.dumps(request))
    assert copy == request
    assert copy.__dict__["key"] == key
