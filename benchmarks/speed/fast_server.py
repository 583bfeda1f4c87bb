"""A chat completions server on loopback that costs next to nothing, in a process of its own.

    python benchmarks/speed/fast_server.py [--latency 0.2]

HTTP/1.1 with keep-alive and pipelining, straight on asyncio's protocols (uvloop where it is installed).
Answers are ready-made bodies in a circle. The first line printed is the base URL; then each line on standard
input is a command, answered by one line of JSON: `report`, or `reset LATENCY`, which forgets the counts and
sets how many seconds each answer takes. It ends with standard input.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

from workload import MODEL, texts

END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
ASKED = b"POST /v1/chat/completions "
BACKLOG = 4096


@dataclass
class Served:
    """What was served since the last reset; times by the machine's monotonic clock, in seconds."""

    count: int = 0
    received_bytes: int = 0
    first_received: float = 0.0
    last_sent: float = 0.0
    cpu: float = 0.0
    connections: int = 0
    waiting: int = 0
    most_waiting: int = 0

    @property
    def seconds(self) -> float:
        """From the first request that arrived to the last answer that was sent."""
        return self.last_sent - self.first_received

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.count / self.seconds if self.seconds > 0 else 0.0


def chat_body(number: int, content: str) -> bytes:
    """Return a valid body of a chat completion."""
    message = {"role": "assistant", "content": content, "refusal": None}
    body = {
        "id": f"chatcmpl-{number:05}",
        "object": "chat.completion",
        "created": 1_760_000_000,
        "model": MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 80, "completion_tokens": 60, "total_tokens": 140},
    }
    return json.dumps(body, separators=(",", ":")).encode()


def response(status: str, body: bytes, more: str = "") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n{more}\r\n"
    return head.encode() + body


REFUSED = response("404 Not Found", b'{"error":{"message":"only POST /v1/chat/completions"}}')
CHUNKED = response(
    "411 Length Required", b'{"error":{"message":"no content-length"}}', "connection: close\r\n"
)


@dataclass
class State:
    """What all connections share."""

    latency: float = 0.0
    served: Served = field(default_factory=Served)
    cpu_before: float = 0.0
    answers: Iterator[bytes] = field(
        default_factory=lambda: cycle(
            [response("200 OK", chat_body(number, one)) for number, one in enumerate(texts())]
        )
    )


class Connection(asyncio.Protocol):
    """One connection: requests in, answers out in the same order."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._rest = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._state.served.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self._transport = None

    def data_received(self, data: bytes) -> None:
        state, served = self._state, self._state.served
        received = self._rest + data if self._rest else data
        answers, start = [], 0
        while (head := received.find(END, start)) >= 0:
            length = length_of(received[start:head])
            if length is None:
                answers.append(CHUNKED)
                start = len(received)
                break
            stop = head + len(END) + length
            if stop > len(received):
                break
            if received.startswith(ASKED, start):
                answers.append(next(state.answers))
                served.count += 1
                served.received_bytes += length
                served.first_received = served.first_received or time.monotonic()
            else:
                answers.append(REFUSED)
            start = stop
        self._rest = received[start:]
        if answers:
            self._answer(b"".join(answers), len(answers), last=answers[-1] is CHUNKED)

    def _answer(self, content: bytes, count: int, *, last: bool) -> None:
        # What arrived together is answered together: equal waits of single answers could change places.
        if self._state.latency:
            served = self._state.served
            served.waiting += count
            served.most_waiting = max(served.most_waiting, served.waiting)
            loop = asyncio.get_running_loop()
            loop.call_later(self._state.latency, partial(self._send, content, count, last=last))
        else:
            self._send(content, 0, last=last)

    def _send(self, content: bytes, waited: int, *, last: bool) -> None:
        self._state.served.waiting -= waited
        if self._transport is None:
            return
        self._transport.write(content)
        self._state.served.last_sent = time.monotonic()
        if last:
            self._transport.close()


def length_of(head: bytes) -> int | None:
    """Return the length of the body that follows a head; None where it comes in chunks."""
    place = head.find(LENGTH)
    if place < 0:
        head = head.lower()
        place = head.find(LENGTH)
    if place >= 0:
        return int(head[place + len(LENGTH) :].split(b"\r\n", 1)[0])
    return None if b"\r\ntransfer-encoding:" in head.lower() else 0


class Commands(asyncio.Protocol):
    """Lines of standard input, each answered by a line of JSON; the server ends with them."""

    def __init__(self, state: State, ended: asyncio.Event) -> None:
        self._state, self._ended = state, ended

    def data_received(self, data: bytes) -> None:
        for line in data.decode().splitlines():
            command, *values = line.split()
            if command == "reset":
                self._reset(*values)
            else:
                self._report()
            say(json.dumps(asdict(self._state.served)))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self._ended.set()

    def _report(self) -> None:
        self._state.served.cpu = time.process_time() - self._state.cpu_before

    def _reset(self, latency: str) -> None:
        self._state.latency, self._state.served = float(latency), Served()
        self._state.cpu_before = time.process_time()


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def serve(latency: float) -> None:
    loop = asyncio.get_running_loop()
    state, ended = State(latency), asyncio.Event()
    server = await loop.create_server(lambda: Connection(state), "127.0.0.1", 0, backlog=BACKLOG)
    say(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
    await loop.connect_read_pipe(lambda: Commands(state, ended), sys.stdin)
    await ended.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS")
    work = serve(parser.parse_args().latency)
    try:
        import uvloop
    except ImportError:
        asyncio.run(work)
    else:
        uvloop.run(work)


class FastServer:
    """The server as the process that started it sees it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        assert process.stdout is not None
        self.base_url = process.stdout.readline().strip()

    def reset(self, latency: float = 0.0) -> None:
        """Forget the counts; answers take `latency` seconds from now on."""
        self._tell(f"reset {latency}")

    def report(self) -> Served:
        """Return what was served since the last reset."""
        return Served(**self._tell("report"))

    def _tell(self, line: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told


@contextmanager
def fast_server() -> Iterator[FastServer]:
    """Run the server in a process of its own while the block runs."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield FastServer(process)
    finally:
        process.communicate()


if __name__ == "__main__":
    main()
