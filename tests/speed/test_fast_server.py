"""The server that speed is measured with, asked by the official client and by hand."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import openai
import pytest
from openai.types.chat import ChatCompletion

from .conftest import SPEED

if TYPE_CHECKING:
    from .conftest import Server


async def ask(server: Server, n: int, at_once: int) -> list[ChatCompletion]:
    """Ask n times, so many at a time."""
    room = asyncio.Semaphore(at_once)
    async with openai.AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:

        async def one(number: int) -> ChatCompletion:
            async with room:
                return await client.chat.completions.create(
                    model="bench", messages=[{"role": "user", "content": f"question {number}"}]
                )

        return await asyncio.gather(*(one(number) for number in range(n)))


def test_answers_are_valid_and_different_and_counted(fast_server: Server) -> None:
    fast_server.tell("reset 0")
    answers = asyncio.run(ask(fast_server, 20, 5))
    for one in answers:
        ChatCompletion.model_validate(one.model_dump())
        assert one.usage is not None
        assert len(one.choices[0].message.content or "") in range(200, 400)
    assert len({one.choices[0].message.content for one in answers}) == 20
    told = fast_server.tell("report")
    assert (told["count"], told["received_bytes"] > 20 * 50) == (20, True)
    assert told["first_received"] < told["last_sent"]


def test_connections_are_kept(fast_server: Server) -> None:
    fast_server.tell("reset 0")
    asyncio.run(ask(fast_server, 12, 1))
    assert fast_server.tell("report")["connections"] == 1


def test_a_reset_forgets_the_counts(fast_server: Server) -> None:
    asyncio.run(ask(fast_server, 2, 1))
    assert fast_server.tell("reset 0")["count"] == 0


def test_answers_wait_for_the_latency_and_do_not_queue(fast_server: Server) -> None:
    """Eight requests at once wait together: at least one latency, less than three in a row."""
    fast_server.tell("reset 0.3")
    asyncio.run(ask(fast_server, 8, 8))
    told = fast_server.tell("report")
    # asyncio's timers may fire one tick of the clock early.
    assert told["last_sent"] - told["first_received"] >= 0.29
    assert (told["most_waiting"], told["waiting"]) == (8, 0)
    fast_server.tell("reset 0")


@contextmanager
def by_hand(server: Server) -> Iterator[socket.socket]:
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        yield connection


def heads(connection: socket.socket, n: int) -> list[bytes]:
    """Read n answers and return their first lines."""
    file = connection.makefile("rb")
    found = []
    for _ in range(n):
        found.append(file.readline().strip())
        length = 0
        while (line := file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        json.loads(file.read(length))
    return found


REQUEST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("latency", ["0", "0.01"])
def test_pipelined_and_cut_requests_are_answered_in_order(fast_server: Server, latency: str) -> None:
    fast_server.tell(f"reset {latency}")
    with by_hand(fast_server) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(REQUEST * 2 + REQUEST[:40])
        assert heads(connection, 2) == [b"HTTP/1.1 200 OK"] * 2
        connection.sendall(REQUEST[40:])
        assert heads(connection, 1) == [b"HTTP/1.1 200 OK"]
    assert fast_server.tell("report")["count"] == 3
    fast_server.tell("reset 0")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 404 Not Found"),
        (
            REQUEST.replace(b"Content-Length: 2", b"Transfer-Encoding: chunked"),
            b"HTTP/1.1 411 Length Required",
        ),
    ],
)
def test_what_it_cannot_answer_is_refused_and_not_counted(
    fast_server: Server, sent: bytes, status: bytes
) -> None:
    fast_server.tell("reset 0")
    with by_hand(fast_server) as connection:
        connection.sendall(sent)
        assert heads(connection, 1) == [status]
    assert fast_server.tell("report")["count"] == 0


def test_the_load_generator_asks_as_often_as_it_says(fast_server: Server) -> None:
    fast_server.tell("reset 0")
    words = [fast_server.base_url, "--connections", "4", "--depth", "3", "--requests", "100"]
    done = subprocess.run(
        [sys.executable, SPEED / "load.py", *words], capture_output=True, text=True, check=True, timeout=60
    )
    assert float(done.stdout) > 0
    told = fast_server.tell("report")
    assert (told["count"], told["connections"]) == (100, 4)
