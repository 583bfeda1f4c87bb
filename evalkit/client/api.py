"""Any OpenAI-compatible server through the official client; and the embedded model, which is one."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from evalkit.client.base import Endpoint, Prices, Reply
from evalkit.client.failures import from_openai
from evalkit.errors import ModelError, RequestError
from evalkit.records import Message, Request, Response, Sample

if TYPE_CHECKING:
    import openai

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0


class ApiModel:
    """A model behind an HTTP API. The key is read from the environment when something must be sent.

    `params` are sent as they are; a `seed` is varied by trial so that repeats are independent draws.
    `enforce_schema` says whether the server takes a JSON schema to hold the answer to.
    """

    needs_prompt = True
    cacheable = True

    def __init__(  # noqa: PLR0913 - one argument per setting of a model config
        self,
        endpoint: Endpoint,
        *,
        name: str,
        base_url: str | None = None,
        api_key_env: str | None = "OPENAI_API_KEY",
        params: Mapping[str, Any] | None = None,
        enforce_schema: bool = True,
        prices: Prices | None = None,
        timeout: float = 120.0,
        connections: int = 64,
    ) -> None:
        self.name = name
        self.prices = prices
        self._endpoint = endpoint
        self._base_url = checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
        self._key_env = api_key_env
        self._params = dict(params or {})
        self._enforce_schema = enforce_schema
        self._timeout = timeout
        self._connections = connections
        self._client: openai.AsyncOpenAI | None = None
        self._connecting = asyncio.Lock()
        self._cast: Any = None

    @property
    def identity(self) -> str:
        """The base URL without credentials or query: two servers never share answers."""
        return url_identity(self._base_url)

    @property
    def settings(self) -> Mapping[str, Any]:
        """The parameters as they are sent."""
        return self._params

    def check(self, samples: Sequence[Sample]) -> None:
        """Nothing can be said before asking."""

    def request(
        self,
        sample: Sample,  # noqa: ARG002 - only recorded outputs are found by sample
        messages: Sequence[Message],
        answer_schema: Mapping[str, Any] | None,
        trial: int,
    ) -> Request:
        """Return what is asked for one sample and repeat."""
        params = self._params
        if trial and params.get("seed") is not None:
            params = {**params, "seed": params["seed"] + trial}
        schema = answer_schema if self._enforce_schema else None
        body = self._endpoint.build(self.name, messages, params, schema)
        return Request(self.identity, self._endpoint.name, body, trial)

    def parse(self, request: Request, body: bytes) -> Response:  # noqa: ARG002 - one endpoint a model
        """Return the validated answer."""
        return self._endpoint.parse(body)

    async def send(self, request: Request) -> Reply:
        """Ask once through the official client; its own retries are off, so that every attempt is seen."""
        import openai

        client = self._client or await self._ready()
        started = time.perf_counter()
        try:
            response = await client.post(
                self._endpoint.path, content=orjson.dumps(request.body), cast_to=self._cast, options=_JSON
            )
            body = response.content
        except openai.APIError as error:
            raise from_openai(error) from None
        except openai.OpenAIError as error:
            raise RequestError("connection", str(error), retryable=True) from None
        return Reply(body, time.perf_counter() - started)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def _ready(self) -> openai.AsyncOpenAI:
        """Connect once, however many requests come first."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
        return self._client

    async def _connect(self) -> openai.AsyncOpenAI:
        return self._new_client(self._base_url, self._key())

    def _new_client(self, base_url: str, api_key: str) -> openai.AsyncOpenAI:
        import httpx2
        import openai

        self._cast = httpx2.Response
        limits = httpx2.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
        timeout = httpx2.Timeout(self._timeout, connect=min(CONNECT_SECONDS, self._timeout))
        return openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultAioHttpClient(limits=limits, timeout=timeout),
        )

    def _key(self) -> str:
        key = os.environ.get(self._key_env, "").strip() if self._key_env else ""
        if key:
            return key
        if self._key_env and (urlsplit(self._base_url).hostname or "").endswith(".openai.com"):
            raise ModelError(
                f"model {self.name}: no API key in the environment variable {self._key_env}; "
                f"export {self._key_env}=…, or set model.base_url=URL for a server that needs none"
            )
        return "none"  # servers without a key ignore it; the client insists on one


class LocalModel(ApiModel):
    """The embedded model: its server is started when the first request must be sent."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        name: str,
        params: Mapping[str, Any] | None = None,
        timeout: float = 600.0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        from evalkit.client.local import artifact, process

        self._file = artifact.model(name)
        self._server = process.LocalServer(self._file, say=say)
        super().__init__(
            endpoint, name=name, base_url="http://127.0.0.1", params=params, timeout=timeout, prices=None
        )
        self.prices = Prices(0.0, 0.0)

    @property
    def identity(self) -> str:
        """File hash, server version and flags: everything that can change an answer."""
        from evalkit.client.local import process

        return process.identity(self._file)

    async def send(self, request: Request) -> Reply:
        """Ask the embedded server; RequestError that is fatal when it has died."""
        try:
            return await super().send(request)
        except RequestError as error:
            if self._server.alive:
                raise
            raise RequestError("server_died", self._server.failure() or str(error), fatal=True) from None

    async def close(self) -> None:
        """Close the connections and stop the server."""
        await super().close()
        await asyncio.to_thread(self._server.stop)

    async def _connect(self) -> openai.AsyncOpenAI:
        address = await asyncio.to_thread(self._server.start)
        return self._new_client(address.base_url, address.api_key)


_JSON: Any = {"headers": {"Content-Type": "application/json"}}


def checked_url(url: str) -> str:
    """Return a base URL; ModelError when it is none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ModelError(
            f"model.base_url={url_identity(url)!r} is no http(s) address; write it like "
            "http://127.0.0.1:8000/v1"
        )
    return url


def url_identity(url: str) -> str:
    """Return a URL without credentials, query, default port or trailing slash."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port and parts.port != default else ""
    return urlunsplit((parts.scheme, host + port, parts.path.rstrip("/"), "", ""))
