"""One request from arrival to the last byte: key, limits, latency, fault, endpoint, wire."""

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from fake_openai import replies, streams, wire
from fake_openai.broken import spoil
from fake_openai.endpoints import Call, Script, azure, find
from fake_openai.fault_plans import FaultPlan, FaultsLike
from fake_openai.faults import BODY, Fault
from fake_openai.limits import RateLimits
from fake_openai.payloads import ApiError, Body, Payload, error_object, json_payload, unauthorized
from fake_openai.records import Recorder, Ticket

_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON.)"
)


@dataclass
class Settings:
    """What a test scripts; a field changed while the server runs holds from the next request."""

    answer: replies.Answer = None
    latency: float | Callable[[int], float] = 0.0
    api_key: str | None = None
    models: Collection[str] | None = None
    faults: FaultsLike = ()
    limits: RateLimits | None = None
    system_fingerprint: str = "fp_fake000001"

    @property
    def ready_made(self) -> Payload | None:
        """The one response of a load run, when nothing in the request can change it."""
        answer = self.answer
        if not isinstance(answer, replies.Reply) or answer.raw_body is None:
            return None
        if self.api_key or self.models is not None or self.limits is not None or self.faults:
            return None
        return Payload(answer.raw_body, answer.status, answer.headers)


class Dispatcher:
    """The handler of the HTTP server; lives on the server's loop."""

    def __init__(self, settings: Settings, recorder: Recorder) -> None:
        self.settings = settings
        self.recorder = recorder
        self.script_errors: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()
        self._plan: tuple[object, FaultPlan] = (None, FaultPlan.of(()))

    def reset(self) -> None:
        """Forget requests and attempts, fill the rate limits."""
        self.recorder.reset()
        self._plan[1].reset()
        if self.settings.limits is not None:
            self.settings.limits.reset()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        started = time.perf_counter()
        raw = await request.read()
        ready_made = None if self.recorder.keep else self.settings.ready_made
        body = _parsed(raw) if ready_made is None else {}
        path = request.rel_url.raw_path
        query = request.rel_url.raw_query_string
        ticket = self.recorder.begin(request.method, path, request.headers, body or {}, query)
        run = _Run(self.recorder, ticket)
        try:
            if ready_made is None:
                payload = await self._payload(request, path, raw, body, run)
            else:
                await self._wait(ticket.index)
                payload = ready_made
            limits = self.settings.limits
            headers = {
                "x-request-id": f"req_{ticket.index:032x}",
                "openai-processing-ms": str(int((time.perf_counter() - started) * 1000)),
                "openai-version": "2020-10-01",
                "openai-organization": "org-fake",
                **(limits.headers() if limits is not None else {}),
            }
            return await wire.send(request, payload, headers, run.fault, run.finish)
        finally:
            run.finish(None)

    async def _payload(
        self, request: web.BaseRequest, path: str, raw: bytes, body: Body | None, run: "_Run"
    ) -> Payload:
        """The payload that the client meets; sets the run's fault."""
        try:
            return await self._answer(request, path, raw, body, run)
        except ApiError as error:
            return error.payload
        except Exception as error:  # noqa: BLE001 - whatever a test's own callback raises; close() raises it again
            self.script_errors.append(error)
            return json_payload(error_object(f"the script raised {error!r}", kind="fake_openai"), status=500)

    async def _answer(
        self, request: web.BaseRequest, path: str, raw: bytes, body: Body | None, run: "_Run"
    ) -> Payload:
        settings = self.settings
        authorization = request.headers.get("authorization")
        allowed = authorization == f"Bearer {settings.api_key}"
        if azure.is_azure(path):
            allowed = allowed or request.headers.get("api-key") == settings.api_key
        if settings.api_key is not None and not allowed:
            raise unauthorized(authorization)
        endpoint = find(request.method, path)
        content_type = request.headers.get("content-type", "")
        if body is None:
            if "json" in content_type or request.method != "POST":
                raise ApiError(400, _NOT_JSON)
            body = {}
        if settings.limits is not None and (refusal := settings.limits.admit(body)) is not None:
            return refusal
        await self._wait(run.ticket.index)
        key = replies.digest(path, body)
        run.fault = fault = self._fault(run.ticket.index, path, body, key)
        if fault is not None and fault.payload is not None:
            return fault.payload
        if fault is not None and fault.kind == "stall":
            await asyncio.sleep(fault.seconds)
        streams.check(body, path)
        script = Script(settings.answer, settings.models, settings.system_fingerprint)
        query = dict(parse_qsl(request.rel_url.raw_query_string))
        good = endpoint(Call(request.method, path, body, key, script, raw, content_type, query))
        # A broken body is one that a gateway sends in one piece, whatever was asked for.
        if body.get("stream") and (fault is None or fault.kind not in BODY):
            return streams.streamed(good, body, fault)
        return good if fault is None else spoil(fault, good)

    async def _wait(self, index: int) -> None:
        latency = self.settings.latency
        seconds = latency(index) if callable(latency) else latency
        if seconds > 0:
            await asyncio.sleep(seconds)
        if not self.open.is_set():
            await self.open.wait()

    def _fault(self, index: int, path: str, body: Body, key: str) -> Fault | None:
        faults = self.settings.faults
        if not callable(faults) and not isinstance(faults, FaultPlan) and not faults:
            return None
        if self._plan[0] is not faults:
            self._plan = (faults, FaultPlan.of(faults))
        return self._plan[1].fault(index, path, body, key)


class _Run:
    """One request's record, closed once."""

    def __init__(self, recorder: Recorder, ticket: Ticket) -> None:
        self.ticket = ticket
        self.fault: Fault | None = None
        self._end: Callable[[int | None, str | None], None] | None = partial(recorder.end, ticket)

    def finish(self, status: int | None) -> None:
        if self._end is not None:
            self._end(status, self.fault.kind if self.fault is not None else None)
            self._end = None


def _parsed(raw: bytes) -> Body | None:
    """The JSON object of a body ({} for none); None for anything else."""
    if not raw:
        return {}
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
