"""Request.key: everything that can change an answer, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.records import Request

BODY: dict[str, Any] = {
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "temperature": 0.0,
    "top_p": 1.0,
    "max_tokens": 16,
    "stop": ["\n"],
    "seed": 1,
    "logit_bias": {"50256": -100},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": {"type": "object"}},
    },
}
BASE = Request("https://api.openai.com/v1", "chat.completions", BODY, 0)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
BODIES = st.dictionaries(st.text(max_size=5), JSON, min_size=1, max_size=5)


def shuffled(value: Any, rng: Any) -> Any:
    """The same JSON value with the keys of every object in another order."""
    if isinstance(value, dict):
        pairs = [(name, shuffled(one, rng)) for name, one in value.items()]
        rng.shuffle(pairs)
        return dict(pairs)
    return [shuffled(one, rng) for one in value] if isinstance(value, list) else value


@given(BODIES, st.randoms(use_true_random=False))
def test_order_of_keys_does_not_matter(body: dict[str, Any], rng: Any) -> None:
    assert Request("s", "e", body).key == Request("s", "e", shuffled(body, rng)).key


@given(BODIES, BODIES)
def test_keys_are_equal_only_for_the_same_json(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (Request("s", "e", one).key == Request("s", "e", other).key) is same


@given(BODIES)
def test_body_that_was_stored_and_read_back_has_the_same_key(body: dict[str, Any]) -> None:
    """As `cache verify` recomputes it; whatever the text, a lone surrogate or a number at a float's edge."""
    stored = json.loads(json.dumps(body))
    assert Request("s", "e", stored).key == Request("s", "e", body).key


@given(st.integers(-(2**53), 2**53))
def test_whole_number_and_its_float_are_two_keys(number: int) -> None:
    """JSON spells them otherwise, and a server may read `1.0` as no integer."""
    assert Request("s", "e", {"x": number}).key != Request("s", "e", {"x": float(number)}).key


@given(st.text(min_size=1))
def test_no_text_is_normalised(text: str) -> None:
    """Composed and decomposed letters are different tokens to a model."""
    spelled = {unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")} | {text}
    assert len({Request("s", "e", {"x": one}).key for one in spelled}) == len(spelled)


@given(st.text(), st.text(), st.text(), st.text())
def test_fields_do_not_run_into_each_other(server: str, endpoint: str, server2: str, endpoint2: str) -> None:
    same = (server, endpoint) == (server2, endpoint2)
    assert (Request(server, endpoint, {}).key == Request(server2, endpoint2, {}).key) is same


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "gpt-4o-mini"},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [BODY["messages"][1], BODY["messages"][0]]},
        {"messages": [BODY["messages"][0], {"role": "user", "content": "Hi "}]},
        {"messages": [BODY["messages"][0], {"role": "assistant", "content": "Hi"}]},
        {"temperature": 0.1},
        {"temperature": None},
        {"top_p": 0.9},
        {"max_tokens": 17},
        {"stop": ["\n\n"]},
        {"stop": ["\n", "."]},
        {"stop": "\n"},
        {"seed": 2},
        {"logit_bias": {"50256": 100}},
        {"response_format": {"type": "json_object"}},
        {"n": 2},
        {"logprobs": True},
        {"anything_new": 0},
    ],
)
def test_every_part_of_the_body_changes_the_key(changes: dict[str, Any]) -> None:
    assert Request(BASE.server, BASE.endpoint, {**BODY, **changes}).key != BASE.key


@pytest.mark.parametrize("name", BODY)
def test_leaving_out_a_parameter_changes_the_key(name: str) -> None:
    less = {key: value for key, value in BODY.items() if key != name}
    assert Request(BASE.server, BASE.endpoint, less).key != BASE.key


def test_server_endpoint_and_trial_change_the_key() -> None:
    keys = {
        BASE.key,
        Request("http://127.0.0.1:8000/v1", BASE.endpoint, BODY).key,
        Request(BASE.server, "completions", BODY).key,
        Request(BASE.server, BASE.endpoint, BODY, 1).key,
        Request(BASE.server, BASE.endpoint, BODY, 2).key,
    }
    assert len(keys) == 5


def test_key_is_a_sha256_that_is_the_same_in_every_process() -> None:
    script = (
        "import json, sys\nfrom evalkit.records import Request\nprint(Request(*json.load(sys.stdin)).key)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        input=json.dumps([BASE.server, BASE.endpoint, BODY, 0]),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "77"},
    )
    assert done.stdout.strip() == BASE.key
    assert len(bytes.fromhex(BASE.key)) == 32


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_is_no_json_has_no_key(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Request("s", "e", {"x": value}).key  # noqa: B018 - the property is computed here
