"""Models on Azure OpenAI: its v1 API, or with an `api_version` the API of dated versions.

URLs and headers are those of the official client: `AsyncAzureOpenAI` for dated versions, `AsyncOpenAI` at
`/openai/v1` without. Azure knows a model by the name of its deployment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from evalkit.client import urls
from evalkit.client.api import ApiModel
from evalkit.client.base import Endpoint, Prices, Reply
from evalkit.client.parameters import ANYTHING, Abilities
from evalkit.errors import ModelError, RequestError
from evalkit.records import Request

if TYPE_CHECKING:
    import openai

ENDPOINT = "AZURE_OPENAI_ENDPOINT"
DEPLOYMENT = re.compile(r"[\w.-]+", re.ASCII)
# What follows the resource in the addresses that the portal shows to copy.
BELOW = re.compile(
    r"/openai(?:/v1|/deployments/(?P<deployment>[^/]+))?(?:(?:/chat)?/completions|/responses)?/?$"
)


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource's bare address, and what else an address copied from the portal says."""

    url: str
    deployment: str | None = None
    api_version: str | None = None


def resource(text: str) -> Resource:
    """Return the resource in an address, with or without what the portal shows behind it."""
    urls.parse(text)  # refuses what is no address, without its secrets
    parts = urlsplit(text.strip())
    below = BELOW.search(parts.path)
    path = parts.path[: below.start()] if below else parts.path.rstrip("/")
    version = parse_qs(parts.query).get("api-version", [None])[0]
    url = urlunsplit((parts.scheme, parts.netloc, path, "", ""))
    return Resource(url, below["deployment"] if below else None, version)


class AzureModel(ApiModel):
    """A deployment on Azure: `name` is the deployment's. A token, where there is one, goes before a key."""

    def __init__(  # noqa: PLR0913 - one argument per setting of a model config
        self,
        endpoint: Endpoint,
        *,
        name: str,
        base_url: str | None = None,
        api_version: str | None = None,
        api_key_env: str | None = "AZURE_OPENAI_API_KEY",
        token_env: str | None = None,
        params: Mapping[str, Any] | None = None,
        enforce_schema: bool = True,
        abilities: Abilities = ANYTHING,
        prices: Prices | None = None,
        timeout: float = 120.0,
        connections: int = 64,
        stream: bool = False,
    ) -> None:
        given = base_url or os.environ.get(ENDPOINT)
        if not given:
            raise ModelError(
                f"model={name} on Azure: no address; set model.base_url=https://RESOURCE.openai.azure.com, "
                f"or export {ENDPOINT}=…"
            )
        found = resource(given)
        if not DEPLOYMENT.fullmatch(name):
            raise ModelError(
                f"model.name={name!r}: the name of an Azure deployment has letters, digits, . _ and -"
            )
        if found.deployment not in (None, name):
            raise ModelError(
                f"model.base_url names the deployment {found.deployment} and model.name={name}: "
                "they must be the same"
            )
        self._resource = found.url
        self._version = api_version or found.api_version
        self._token_env = token_env
        self._token = ""
        below = f"deployments/{name}" if self._version else "v1"
        super().__init__(
            endpoint,
            name=name,
            base_url=f"{found.url}/openai/{below}",
            api_key_env=api_key_env,
            params=params,
            enforce_schema=enforce_schema,
            abilities=abilities,
            prices=prices,
            timeout=timeout,
            connections=connections,
            stream=stream,
        )

    @property
    def identity(self) -> str:
        """The deployment's URL, and the API version where there is one: answers differ with both."""
        bare = super().identity
        return f"{bare}?api-version={self._version}" if self._version else bare

    @property
    def _official(self) -> bool:
        return True

    def check_key(self) -> None:
        """Raise ModelError when the environment has neither key nor token."""
        if not self._secret(self._token_env):
            self._key()

    async def send(self, request: Request) -> Reply:
        """Ask once; a token that is refused may be too old."""
        try:
            return await super().send(request)
        except RequestError as error:
            if error.kind != "authentication" or not self._token:
                raise
            aged = f"{error.message}; the Entra token in {self._token_env} lasts about an hour: get a new one"
            raise replace(error, message=aged) from None

    async def _connect(self) -> openai.AsyncOpenAI:
        import openai

        self._token = self._secret(self._token_env)
        key = self._token or self._key()
        if self._version is None:
            return self._new_client(self._address, key)
        # The client would take both from its own environment variables when given neither.
        secret: dict[str, Any] = {"azure_ad_token": key} if self._token else {"api_key": key}
        return openai.AsyncAzureOpenAI(
            azure_endpoint=self._resource,
            azure_deployment=self.name,
            api_version=self._version,
            **secret,
            **self._transport(self._address, key),
        )

    def _key(self) -> str:
        if key := self._secret(self._key_env):
            return key
        raise ModelError(
            f"model {self.name} on Azure: no key in the environment variable {self._key_env}, and no "
            f"Microsoft Entra token in {self._token_env}; export one of them"
        )
