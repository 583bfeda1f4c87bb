"""Azure OpenAI: addresses, keys, tokens and filters, by what the fake server received."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from fake_openai import FakeOpenAI, Fault, FaultPlan
from openai import AsyncAzureOpenAI, AsyncOpenAI

from evalkit.client.azure import AzureModel, Resource, resource
from evalkit.client.chat import ChatCompletions
from evalkit.errors import ModelError, RequestError
from evalkit.records import Question, Response, Sample

if TYPE_CHECKING:
    from fake_openai.records import Received

KEY, TOKEN = "azure-planted-8f2b61c09d4e7a35", "eyJ-planted-entra-token-51f0aa"
VERSION = "2024-10-21"


@pytest.fixture
def server() -> Iterator[FakeOpenAI]:
    with FakeOpenAI(answer="Paris") as running:
        yield running


@pytest.fixture(autouse=True)
def _azure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_OPENAI_AD_TOKEN", "AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)


def root(server: FakeOpenAI) -> str:
    return server.base_url.removesuffix("/v1")


def azure(server: FakeOpenAI, name: str = "my-gpt", **settings: Any) -> AzureModel:
    settings = {"base_url": root(server), "token_env": "AZURE_OPENAI_AD_TOKEN", **settings}
    return AzureModel(ChatCompletions(), name=name, **settings)


def ask(model: AzureModel) -> Response:
    request = model.request(Sample("s0", {}), Question(({"role": "user", "content": "hello"},)), 0)

    async def run() -> Response:
        try:
            return model.parse(request, (await model.send(request)).body)
        finally:
            await model.close()

    return asyncio.run(run())


def received(server: FakeOpenAI) -> Received:
    [one] = server.requests
    return one


def official(server: FakeOpenAI, client: Any) -> Received:
    """What the official client sends for the same request, as Azure's documentation builds it."""

    async def run() -> None:
        async with client:
            await client.chat.completions.create(
                model="my-gpt", messages=[{"role": "user", "content": "hello"}]
            )

    server.reset()
    asyncio.run(run())
    return received(server)


def same(ours: Received, theirs: Received) -> None:
    assert (ours.path, ours.query, ours.body) == (theirs.path, theirs.query, theirs.body)
    for name in ("authorization", "api-key"):
        assert ours.headers.get(name) == theirs.headers.get(name)


def test_dated_version_is_asked_as_the_official_azure_client_does(server: FakeOpenAI) -> None:
    assert ask(azure(server, api_version=VERSION)).text == "Paris"
    ours = received(server)
    assert ours.path == "/openai/deployments/my-gpt/chat/completions"
    assert ours.query == f"api-version={VERSION}"
    assert (ours.headers["api-key"], ours.headers.get("authorization")) == (KEY, None)
    client = AsyncAzureOpenAI(
        azure_endpoint=root(server), azure_deployment="my-gpt", api_version=VERSION, api_key=KEY
    )
    same(ours, official(server, client))


def test_v1_api_is_asked_as_the_official_client_does(server: FakeOpenAI) -> None:
    assert ask(azure(server)).text == "Paris"
    ours = received(server)
    assert (ours.path, ours.query) == ("/openai/v1/chat/completions", "")
    assert ours.body["model"] == "my-gpt"
    same(ours, official(server, AsyncOpenAI(base_url=f"{root(server)}/openai/v1/", api_key=KEY)))


@pytest.mark.parametrize("version", [None, VERSION])
def test_entra_token_goes_before_the_key(
    version: str | None, server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)
    ask(azure(server, api_version=version))
    assert received(server).headers["authorization"] == f"Bearer {TOKEN}"
    assert "api-key" not in received(server).headers


def test_environment_of_the_official_client_changes_nothing_that_a_config_says(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_VERSION", "1999-01-01")
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "http://127.0.0.1:9")
    ask(azure(server, api_version=VERSION, token_env=None))
    assert received(server).query == f"api-version={VERSION}"
    assert received(server).headers["api-key"] == KEY


def test_endpoint_may_come_from_the_environment(server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", root(server) + "/")
    assert ask(azure(server, base_url=None)).text == "Paris"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://r.openai.azure.com", Resource("https://r.openai.azure.com")),
        ("https://r.openai.azure.com/", Resource("https://r.openai.azure.com")),
        ("https://r.openai.azure.com/openai/v1/", Resource("https://r.openai.azure.com")),
        ("https://r.services.ai.azure.com/openai/v1/responses", Resource("https://r.services.ai.azure.com")),
        (
            f"https://r.openai.azure.com/openai/deployments/d/chat/completions?api-version={VERSION}",
            Resource("https://r.openai.azure.com", "d", VERSION),
        ),
        ("https://gate.example/azure/openai", Resource("https://gate.example/azure")),
    ],
)
def test_addresses_as_the_portal_shows_them(text: str, expected: Resource) -> None:
    assert resource(text) == expected


def test_server_identity_tells_deployments_and_versions_apart(server: FakeOpenAI) -> None:
    identities = {
        azure(server).identity,
        azure(server, api_version=VERSION).identity,
        azure(server, api_version="2025-03-01-preview").identity,
        azure(server, "other", api_version=VERSION).identity,
    }
    assert len(identities) == 4
    assert f"{root(server)}/openai/deployments/my-gpt?api-version={VERSION}" in identities


def test_missing_key_is_told_before_anything_is_sent(
    server: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AZURE_OPENAI_API_KEY")
    with pytest.raises(ModelError, match=r"AZURE_OPENAI_API_KEY, and no Microsoft Entra token in AZURE_"):
        ask(azure(server))
    assert server.count == 0


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"base_url": None}, "set model.base_url=https://RESOURCE.openai.azure.com, or export AZURE_OPENAI"),
        ({"base_url": "r.openai.azure.com"}, "is no http"),
        ({"name": "a/b"}, "the name of an Azure deployment"),
        (
            {"base_url": "https://r.openai.azure.com/openai/deployments/x"},
            "names the deployment x and model.name",
        ),
    ],
)
def test_misfit_is_named(server: FakeOpenAI, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ModelError, match=says):
        azure(server, **settings)


def test_refused_token_is_told_to_be_too_old_perhaps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_AD_TOKEN", TOKEN)
    with FakeOpenAI(api_key="another") as server, pytest.raises(RequestError) as caught:
        ask(azure(server))
    assert (caught.value.kind, caught.value.fatal) == ("authentication", True)
    assert "AZURE_OPENAI_AD_TOKEN lasts about an hour" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_wrong_key_is_not_called_an_old_token() -> None:
    with FakeOpenAI(api_key="another") as server, pytest.raises(RequestError) as caught:
        ask(azure(server, api_version=VERSION))
    assert caught.value.kind == "authentication"
    assert "hour" not in str(caught.value)


def test_filtered_prompt_is_a_content_filter_failure_that_names_the_filter() -> None:
    faults = FaultPlan.always(Fault.content_filter())
    with FakeOpenAI(faults=faults) as server, pytest.raises(RequestError) as caught:
        ask(azure(server, api_version=VERSION))
    assert (caught.value.kind, caught.value.retryable, caught.value.fatal) == ("content_filter", False, False)
    assert str(caught.value).endswith("content management policy. (violence)")


def test_filter_results_beside_an_answer_change_nothing(server: FakeOpenAI) -> None:
    model = azure(server)
    request = model.request(Sample("s0", {}), Question(({"role": "user", "content": "hello"},)), 0)

    async def body() -> bytes:
        try:
            return (await model.send(request)).body
        finally:
            await model.close()

    raw = asyncio.run(body())
    assert b"prompt_filter_results" in raw
    assert b"content_filter_results" in raw
    assert model.parse(request, raw).text == "Paris"
