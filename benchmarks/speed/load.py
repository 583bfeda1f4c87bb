"""A load generator as plain as the server: keep-alive connections, each with `depth` requests on their way.

    python benchmarks/speed/load.py URL [--connections 64] [--depth 1] [--requests 20000]

Prints the requests that were answered a second.
"""

import argparse
import asyncio
import json
import time
from functools import partial
from urllib.parse import urlsplit

from fast_server import END, length_of
from workload import MODEL, SYSTEM, text


def request() -> bytes:
    """Return a request like those of the benchmark."""
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text(0)}]
    body = json.dumps({"model": MODEL, "messages": messages, "temperature": 0.0}).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer none\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Asking(asyncio.Protocol):
    """Sends one more request for each answer, until all were sent."""

    def __init__(self, share: int, depth: int) -> None:
        self._left, self._depth = share, min(share, depth)
        self._waiting = 0
        self._rest = b""
        self._request = request()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send(self._depth)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        received = self._rest + data if self._rest else data
        start = answered = 0
        while (head := received.find(END, start)) >= 0:
            stop = head + len(END) + (length_of(received[start:head]) or 0)
            if stop > len(received):
                break
            answered += 1
            start = stop
        self._rest = received[start:]
        self._waiting -= answered
        self._send(min(answered, self._left))
        if not self._waiting:
            self.done.set_result(None)
            self._transport.close()

    def _send(self, count: int) -> None:
        if count:
            self._left -= count
            self._waiting += count
            self._transport.write(self._request * count)


async def rate(base_url: str, connections: int, depth: int, requests: int) -> float:
    """Return how many requests a second were answered."""
    loop, address = asyncio.get_running_loop(), urlsplit(base_url)
    assert address.hostname is not None
    assert address.port is not None
    shares = [requests // connections + (one < requests % connections) for one in range(connections)]
    began = time.perf_counter()
    made = [
        await loop.create_connection(partial(Asking, share, depth), address.hostname, address.port)
        for share in shares
        if share
    ]
    await asyncio.gather(*(asking.done for _, asking in made))
    return requests / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--depth", type=int, default=1)
    parser.add_argument("--requests", type=int, default=20_000)
    options = parser.parse_args()
    print(asyncio.run(rate(options.url, options.connections, options.depth, options.requests)))


if __name__ == "__main__":
    main()
