from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalkit.client.urls import parse
from evalkit.errors import ModelError


@pytest.mark.parametrize(
    ("url", "identity"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1//", "https://api.openai.com/v1"),
        (" https://api.openai.com/v1\n", "https://api.openai.com/v1"),
        ("HTTPS://API.OpenAI.com:443/v1", "https://api.openai.com/v1"),
        ("http://host:80/v1", "http://host/v1"),
        ("http://host:443/v1", "http://host:443/v1"),
        ("https://host:80/v1", "https://host:80/v1"),
        ("http://host", "http://host"),
        ("http://host/", "http://host"),
        ("http://host:8000/V1", "http://host:8000/V1"),
        ("http://user:secret@host:8000/v1", "http://host:8000/v1"),
        ("http://host/v1?api-key=secret&api-version=2", "http://host/v1"),
        ("http://host/v1#part", "http://host/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("http://[2001:DB8::1]/v1", "http://[2001:db8::1]/v1"),
    ],
)
def test_two_spellings_of_an_address_are_one_server(url: str, identity: str) -> None:
    address = parse(url)
    assert address.identity == identity
    assert "secret" not in repr(address)
    assert parse(identity).identity == identity


def test_credentials_and_query_are_taken_apart_and_decoded() -> None:
    address = parse("http://me:p%40ss@host/v1?api-version=2024-10-21")
    assert address.credentials == ("me", "p@ss")
    assert address.query == {"api-version": "2024-10-21"}
    assert address.secrets == ["p@ss"]


def test_secrets_are_the_password_and_the_query_s_keys_but_no_version() -> None:
    address = parse("http://me:word@host/v1?api-version=2024-12-01-preview&api-key=k1&Subscription-Token=t1")
    assert sorted(address.secrets) == ["k1", "t1", "word"]
    assert parse("http://host/v1").secrets == []
    assert parse("http://gateway-key@host/v1").secrets == ["gateway-key"]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host",
        "host:8000/v1",
        "ftp://host/v1",
        "file:///etc/passwd",
        "http://",
        "http:///v1",
        "http://:8000/v1",
        "http://host:99999/v1",
        "http://host:port/v1",
        "http://[::1/v1",
        "http://user:secret@[::1/v1?key=secret",
        "http://user:secret@host:port",
        "http://user:sec/ret@host",
        "ws://user:secret@host",
    ],
)
def test_what_is_no_address_is_one_clear_error_without_secrets(url: str) -> None:
    with pytest.raises(ModelError) as caught:
        parse(url)
    assert "model.base_url" in str(caught.value)
    assert "http://127.0.0.1:8000/v1" in str(caught.value)
    assert "sec" not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_a_model_error(text: str) -> None:
    try:
        address = parse("http://" + text)
    except ModelError:
        return
    assert "@" not in address.url.partition("//")[2].partition("/")[0]


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.8.9.1/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://LOCALHOST/v1", True),
        ("https://127.0.0.1:8443/v1", False),  # its certificates come from the environment
        ("http://10.0.0.1/v1", False),
        ("https://api.openai.com/v1", False),
        ("http://localhost.example.com", False),
    ],
)
def test_this_machine_is_known(url: str, here: bool) -> None:  # noqa: FBT001 - expected value
    assert parse(url).on_this_machine is here
