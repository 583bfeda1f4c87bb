"""The public class: the server in its own thread, on a free port of loopback."""

import asyncio
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from fake_openai.dispatch import Dispatcher, Settings
from fake_openai.fault_plans import FaultsLike
from fake_openai.limits import RateLimits
from fake_openai.records import Received, Recorder
from fake_openai.replies import Answer

_HOST = "127.0.0.1"
# Batch files and long documents: far above aiohttp's own 1 MiB.
_LARGEST_BODY = 512 * 1024**2
_BACKLOG = 2048
_PATIENCE = 10.0


class FakeOpenAI:
    """The fake API while a `with` block runs; reachable from this process and from others.

    A mistake in a test's own callback is answered with 500 and raised again when the block ends.
    `keep_bodies=False` keeps counts only, for load runs. The other arguments become `settings`, whose
    fields may be changed while it runs.
    """

    def __init__(
        self,
        answer: Answer = None,
        *,
        latency: float | Callable[[int], float] = 0.0,
        api_key: str | None = None,
        models: Collection[str] | None = None,
        faults: FaultsLike = (),
        limits: RateLimits | None = None,
        keep_bodies: bool = True,
        port: int = 0,
    ) -> None:
        self.settings = Settings(answer, latency, api_key, models, faults, limits)
        self._recorder = Recorder(keep=keep_bodies)
        self._port = port
        self._base_url: str | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dispatcher: Dispatcher | None = None

    @property
    def base_url(self) -> str:
        """`http://127.0.0.1:PORT/v1`, as the official client wants it."""
        if self._base_url is None:
            raise RuntimeError("the fake server is not running; use `with FakeOpenAI(…) as server:`")
        return self._base_url

    @property
    def requests(self) -> list[Received]:
        """A snapshot of what was received, in order of arrival; empty with `keep_bodies=False`."""
        return self._recorder.requests

    @property
    def statuses(self) -> dict[int | None, int]:
        """How many requests ended with each status; None counts those without a whole response."""
        return self._recorder.statuses

    @property
    def count(self) -> int:
        return self._recorder.count

    @property
    def in_flight(self) -> int:
        return self._recorder.in_flight

    @property
    def max_in_flight(self) -> int:
        return self._recorder.max_in_flight

    def wait(
        self, *, received: int | None = None, in_flight: int | None = None, timeout: float = _PATIENCE
    ) -> None:
        """Block until that many were received and that many are running; TimeoutError otherwise."""
        self._recorder.wait(received=received, in_flight=in_flight, timeout=timeout)

    def reset(self) -> None:
        """Forget requests, counts and attempts, and fill the rate limits; settings stay."""
        self._on_loop(self._running().reset)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Requests arrive but none is answered until the block ends: concurrency without sleeping."""
        gate = self._running().open
        self._on_loop(gate.clear)
        try:
            yield
        finally:
            self._on_loop(gate.set)

    def start(self) -> Self:
        ready: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(ready)), name="fake-openai", daemon=True
        )
        self._thread.start()
        ready.result(_PATIENCE)
        return self

    def close(self) -> None:
        """Stop, cutting what still runs; raises what the test's own callbacks raised."""
        if self._thread is None or self._loop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)
        if self._thread.is_alive():
            raise RuntimeError(
                f"the fake server did not stop within {_PATIENCE} s; does a callback block its loop?"
            )
        self._thread = self._base_url = None
        errors = self._dispatcher.script_errors if self._dispatcher is not None else []
        if errors:
            raise errors[0]

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except Exception as script_error:
            # The test's own failure says more; the script's mistake explains it.
            if error is None:
                raise
            error.add_note(f"the fake server's script raised {script_error!r}")

    async def _serve(self, ready: "Future[None]") -> None:
        try:
            self._loop = asyncio.get_running_loop()
            self._stop = asyncio.Event()
            self._dispatcher = Dispatcher(self.settings, self._recorder)
            # A client that goes away cancels its request, so a stall never outlives the test.
            http = web.Server(
                self._dispatcher.handle,
                request_factory=_request,
                access_log=None,
                handler_cancellation=True,
            )
            listener = await self._loop.create_server(http, _HOST, self._port, backlog=_BACKLOG)
            self._base_url = f"http://{_HOST}:{listener.sockets[0].getsockname()[1]}/v1"
        except BaseException as error:
            ready.set_exception(error)
            raise
        ready.set_result(None)
        await self._stop.wait()
        listener.close()
        for connection in http.connections:
            connection.force_close()
        # The closed transports report their loss on the next turn, which cancels their handlers.
        await asyncio.sleep(0)
        await http.shutdown(_PATIENCE)

    def _running(self) -> Dispatcher:
        if self._dispatcher is None or self._thread is None:
            raise RuntimeError("the fake server is not running; use `with FakeOpenAI(…) as server:`")
        return self._dispatcher

    def _on_loop(self, act: Callable[[], Any]) -> None:
        """Run it on the server's loop, and wait."""
        done: Future[None] = Future()
        assert self._loop is not None

        def run() -> None:
            act()
            done.set_result(None)

        self._loop.call_soon_threadsafe(run)
        done.result(_PATIENCE)


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_LARGEST_BODY)
