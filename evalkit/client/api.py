"""Any OpenAI-compatible server through the official client; and the embedded model, which is one."""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from evalkit.client import parameters, urls
from evalkit.client.base import Endpoint, Prices, Reply
from evalkit.client.content import request_parts
from evalkit.client.failures import from_client, refused
from evalkit.client.lane import Lane, lane_for
from evalkit.client.parameters import ANYTHING, Abilities
from evalkit.client.redaction import Redaction, hide_in_logs, remember
from evalkit.client.streaming import assemble
from evalkit.errors import ModelError, RequestError
from evalkit.records import Question, Request, Response, Sample, canonical_json

if TYPE_CHECKING:
    import httpx2
    import openai

DEFAULT_BASE_URL = "https://api.openai.com/v1"
CONNECT_SECONDS = 15.0
CLIENT_LOGGER = "openai._base_client"  # with OPENAI_LOG=debug it logs what servers send


class ApiModel:
    """A model behind an HTTP API. The key is read from the environment when something must be sent.

    `params` are sent as they are; a `seed` is varied by trial so that repeats are independent draws.
    `enforce_schema` says whether the server takes a JSON schema to hold the answer to, `abilities` which
    parameters the model takes, `start` by which command the server is started. `stream` has answers sent bit
    by bit: nothing about them changes, and the time to the first token is known.
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
        abilities: Abilities = ANYTHING,
        prices: Prices | None = None,
        timeout: float = 120.0,
        connections: int = 64,
        start: str | None = None,
        stream: bool = False,
    ) -> None:
        self.name = name
        self.prices = prices
        self._endpoint = endpoint
        self._address = urls.parse(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
        self._key_env = api_key_env
        given = _checked(params or {})
        parameters.check(name, given, abilities, official=self._official, endpoint=endpoint.takes)
        if stream and given.get("best_of") is not None:
            raise ModelError(
                "model.params.best_of: the best answer is known only when all are there; set "
                "model.stream=false"
            )
        self._abilities = abilities
        self._params = endpoint.spell(given, abilities.accepts)
        self._enforce_schema = enforce_schema and endpoint.takes_schema
        self._stream = stream
        self._timeout = timeout
        self._connections = connections
        self._start = start
        self._answered = False
        self._client: openai.AsyncOpenAI | None = None
        self._lane: Lane | None = None
        self._first: asyncio.Event | None = None
        self._connecting = asyncio.Lock()
        self._cast: Any = None
        self._redaction = Redaction()

    @property
    def identity(self) -> str:
        """The base URL without credentials or query: two servers never share answers."""
        return self._address.identity

    @property
    def _official(self) -> bool:
        """Whether OpenAI's own ranges hold."""
        return self._address.official

    @property
    def settings(self) -> Mapping[str, Any]:
        """The parameters as they are sent."""
        return self._params

    def check(self, samples: Sequence[Sample]) -> None:
        """Nothing can be said before asking."""

    def request(
        self,
        sample: Sample,  # noqa: ARG002 - only recorded outputs are found by sample
        question: Question,
        trial: int,
    ) -> Request:
        """Return what is asked for one sample and repeat."""
        params = self._params
        parameters.check_held(self.name, self._abilities, question, params)
        if trial and params.get("seed") is not None:
            params = {**params, "seed": params["seed"] + trial}
        schema = question.answer_schema if self._enforce_schema else None
        # Tools go along only where there are any: a third party's endpoint need not know of them.
        tools = (question.tools,) if question.tools else ()
        body = self._endpoint.build(self.name, question.messages, params, schema, *tools)
        return Request(self.identity, self._endpoint.name, body, trial)

    def parse(self, request: Request, body: bytes, choice: int = 0) -> Response:  # noqa: ARG002 - one endpoint
        """Return the validated answer."""
        return self._endpoint.parse(body, choice)

    def check_key(self) -> None:
        """Raise ModelError when the environment has no key for a server that wants one."""
        self._key()

    async def send(self, request: Request) -> Reply:
        """Ask once through the official client; its own retries are off, so that every attempt is seen."""
        client = self._client or await self._ready()
        ask = self._streamed if self._stream else self._whole
        started = time.perf_counter()
        try:
            # The client's own limit is for each read: a body that trickles in would never reach it.
            async with asyncio.timeout(self._timeout):
                raw, headers = await ask(client, request.body)
            body = self._redaction.body(raw)
        except Exception as error:
            failure = from_client(error, self._redaction.text)
            if failure is None:
                raise
            raise self._explained(failure, error) from None
        self._answered = True
        return Reply(body, time.perf_counter() - started, headers)

    async def _whole(
        self, client: openai.AsyncOpenAI, body: Mapping[str, Any]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the body of an answer in one piece, and its headers."""
        content, headers = request_parts(body)
        if self._first is None:
            first = self._first = asyncio.Event()
        else:
            first = self._first
            await first.wait()
        if self._lane is not None and (found := await self._lane.post(content, headers)) is not None:
            return found
        options: Any = {"headers": headers}
        try:
            response = await client.post(
                self._endpoint.path, content=content, cast_to=self._cast, options=options
            )
        finally:
            first.set()  # it may have failed before it was sent
        return response.content, response.headers

    async def _sent(self, request: httpx2.Request) -> None:
        """The client sends a request now: all others may go by the lane, if it opens one."""
        if self._lane is None and self._client is not None:
            self._lane = lane_for(
                request,
                direct=self._address.on_this_machine,
                connections=self._connections,
                connect=self._connect_seconds,
            )
        if self._first is not None:
            self._first.set()

    async def _heard(self, response: httpx2.Response) -> None:
        if self._lane is not None:
            self._lane.heard(response)

    async def _streamed(
        self, client: openai.AsyncOpenAI, body: Mapping[str, Any]
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return the same of a streamed answer. A server that does not stream has its body taken as it is."""
        import openai

        content, headers = request_parts({**body, "stream": True, **self._endpoint.streams_with})
        options: Any = {"headers": headers}
        started = time.perf_counter()
        stream = await client.post(
            self._endpoint.path,
            content=content,
            cast_to=object,
            options=options,
            stream=True,
            stream_cls=openai.AsyncStream[object],
        )
        response = stream.response
        try:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                return await response.aread(), response.headers
            pieces = response.aiter_bytes()
            return await assemble(pieces, self._endpoint.assembly(), started), response.headers
        finally:
            await response.aclose()

    def _explained(self, failure: RequestError, error: Exception) -> RequestError:
        """Where nothing listens, say so and what to start; on this machine asking again would not help."""
        if not refused(error):
            return failure
        hint = (
            f"start the server: {self._start}" if self._start else "start the server, or check model.base_url"
        )
        forever = self._address.on_this_machine and not self._answered
        said = f"nothing listens at {self.identity}; {hint}"
        return RequestError("connection", said, retryable=not forever, fatal=forever, reached=False)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        lane, self._lane = self._lane, None
        if lane is not None:
            await lane.close()
        if client is not None:
            await client.close()
        # The next run has an event loop of its own.
        self._connecting, self._first = asyncio.Lock(), None

    async def _ready(self) -> openai.AsyncOpenAI:
        """Connect once, however many requests come first."""
        async with self._connecting:
            if self._client is None:
                self._client = await self._connect()
        return self._client

    async def _connect(self) -> openai.AsyncOpenAI:
        return self._new_client(self._address, self._key())

    def _new_client(self, address: urls.BaseUrl, api_key: str) -> openai.AsyncOpenAI:
        import openai

        return openai.AsyncOpenAI(base_url=address.url, api_key=api_key, **self._transport(address, api_key))

    def _transport(self, address: urls.BaseUrl, api_key: str) -> dict[str, Any]:
        """Return what every kind of the official client is built with; from now on `api_key` is hidden."""
        import httpx2
        import openai

        from evalkit.client.certificates import TrustedLater

        self._cast = httpx2.Response
        limits = httpx2.Limits(max_connections=self._connections, max_keepalive_connections=self._connections)
        timeout = httpx2.Timeout(self._timeout, connect=self._connect_seconds)
        headers, secrets = {}, [api_key, *address.secrets]
        if address.credentials is not None:
            basic = b64encode(":".join(address.credentials).encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
            secrets.append(basic)
        self._redaction = Redaction(*secrets)
        remember(*secrets)
        hide_in_logs(CLIENT_LOGGER)
        # A streamed answer is read by the client: no lane leads there.
        hooks: Any = {} if self._stream else {"request": [self._sent], "response": [self._heard]}
        return {
            "max_retries": 0,
            "timeout": timeout,
            "default_headers": headers,
            "default_query": address.query,
            "http_client": openai.DefaultAioHttpClient(
                verify=TrustedLater() if address.url.startswith("http:") else True,
                limits=limits,
                timeout=timeout,
                trust_env=not address.on_this_machine,
                event_hooks=hooks,
            ),
        }

    def _secret(self, variable: str | None) -> str:
        """Return the key or token in an environment variable; an empty text where there is none."""
        key = os.environ.get(variable, "").strip() if variable else ""
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            raise ModelError(
                f"model {self.name}: the API key in the environment variable {variable} holds spaces or "
                "characters that no HTTP header can carry; copy it again"
            )
        remember(key)
        return key

    @property
    def _connect_seconds(self) -> float:
        return min(CONNECT_SECONDS, self._timeout)

    def _key(self) -> str:
        if key := self._secret(self._key_env):
            return key
        if self._key_env and self._address.wants_key:
            raise ModelError(
                f"model {self.name}: no API key in the environment variable {self._key_env}; "
                f"export {self._key_env}=…, or set model.base_url=URL for a server that needs none"
            )
        return "none"  # servers without a key ignore it; the client insists on one


class LocalModel(ApiModel):
    """The embedded model: its server is started when the first request must be sent."""

    def __init__(  # noqa: PLR0913 - one argument per setting of a model config
        self,
        endpoint: Endpoint,
        *,
        name: str,
        params: Mapping[str, Any] | None = None,
        abilities: Abilities = ANYTHING,
        timeout: float = 600.0,
        stream: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        from evalkit.client.local import pins, process

        self._file = pins.model(name)
        self._server = process.LocalServer(self._file, say=say)
        super().__init__(
            endpoint,
            name=name,
            base_url="http://127.0.0.1",
            params=params,
            abilities=abilities,
            timeout=timeout,
            stream=stream,
        )
        self.prices = Prices(0.0, 0.0)
        # The server has one slot: waiting for it here keeps the queue out of latencies and time limits.
        self._slot = asyncio.Semaphore(1)

    def check_key(self) -> None:
        """The embedded server makes one up for itself."""

    @property
    def identity(self) -> str:
        """File hash, server version and flags: everything that can change an answer."""
        from evalkit.client.local import process

        return process.identity(self._file)

    async def send(self, request: Request) -> Reply:
        """Ask the embedded server; RequestError that is fatal when it has died."""
        async with self._slot:
            try:
                return await super().send(request)
            except RequestError as error:
                if self._server.alive:
                    raise
                died = self._server.failure() or str(error)
                raise RequestError("server_died", died, fatal=True) from None

    async def close(self) -> None:
        """Close the connections and stop the server."""
        self._slot = asyncio.Semaphore(1)  # the next run has an event loop of its own
        await super().close()
        await asyncio.to_thread(self._server.stop)

    async def _connect(self) -> openai.AsyncOpenAI:
        address = await asyncio.to_thread(self._server.start)
        return self._new_client(urls.parse(address.base_url), address.api_key)


def _checked(params: Mapping[str, Any]) -> dict[str, Any]:
    try:
        canonical_json(params)
    except (TypeError, ValueError) as error:
        raise ModelError(f"model.params: not plain JSON ({error}); use finite numbers and texts") from None
    return dict(params)
