"""Streamed answers: server-sent events put together as the body that the same answer has in one piece.

So the cache, the parsers and whoever reads a body later know nothing of streaming. The time to the first
token is written into the body, since nothing else keeps it.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from evalkit.client.body import TO_FIRST, bad_response, json_in
from evalkit.client.content import encode
from evalkit.errors import RequestError

DONE = b"[DONE]"
LINE_END = re.compile(rb"\r\n|\n|\r")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Assembly(Protocol):
    """Puts one answer together from the data of its events."""

    @property
    def whole(self) -> bool:
        """Whether the answer has come to its end."""
        ...

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one event in; return whether it brought some of the answer."""
        ...

    def body(self) -> dict[str, Any]:
        """Return the body."""
        ...


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event: its name, empty where it has none, and its data."""

    name: str
    data: bytes


class Events:
    """Reads events out of bytes however they are cut (HTML Living Standard, 9.2.6)."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Yield the events that this piece ends; what never ends is no event."""
        text = self._rest + piece
        if not self._begun:
            text = text.removeprefix(BYTE_ORDER_MARK)
            self._begun = len(text) >= len(BYTE_ORDER_MARK)
        # A carriage return at the end may be the first half of a line's end.
        held = b"\r" if text.endswith(b"\r") else b""
        *lines, self._rest = LINE_END.split(text.removesuffix(held))
        self._rest += held
        for line in lines:
            if line:
                self._field(line)
            elif (event := self._end()) is not None:
                yield event

    def _field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value.decode("utf-8", "replace")

    def _end(self) -> Event | None:
        name, data = self._name, self._data
        self._name, self._data = "", []
        return Event(name, b"\n".join(data)) if data else None


async def assemble(
    pieces: AsyncIterable[bytes],
    assembly: Assembly,
    started: float,
    clock: Callable[[], float] = time.perf_counter,
) -> bytes:
    """Return the body of a streamed answer, with the seconds from `started` to its first token.

    Raises RequestError when the stream breaks off, or holds what is no event of an answer. An error that the
    server sends in the middle becomes the body: no parser takes it for an answer.
    """
    events, count, done = Events(), 0, False
    first: float | None = None
    async for piece in pieces:
        for event in events.feed(piece):
            done = done or event.data.strip() == DONE
            if done or not event.data:  # read to the end, so that the connection can be used again
                continue
            count += 1
            data = _object(event)
            if event.name == "error" or data.get("type") == "error" or data.get("error"):
                return encode({"error": data.get("error") or data})
            if assembly.add(data) and first is None:
                first = clock() - started
    if not (done or assembly.whole):
        raise RequestError(
            "connection", f"the stream broke off after {count} events", retryable=True, charged=True
        )
    body = assembly.body()
    return encode(body if first is None else {**body, TO_FIRST: round(first, 6)})


def _object(event: Event) -> dict[str, Any]:
    try:
        data = json_in(event.data)
    except (ValueError, RecursionError):
        raise bad_response("an event of the stream is not whole JSON", event.data) from None
    if not isinstance(data, dict):
        raise bad_response("an event of the stream is not a JSON object", event.data)
    return data


class Choices:
    """Chunks with `choices`, as chat and legacy completions stream them.

    `empty` is what a choice starts with; `grow` adds what a chunk brings and says whether that was anything.
    """

    def __init__(
        self,
        kind: str,
        empty: Callable[[], dict[str, Any]],
        grow: Callable[[dict[str, Any], Mapping[str, Any]], bool],
    ) -> None:
        self._kind = kind
        self._empty = empty
        self._grow = grow
        self._top: dict[str, Any] = {}
        self._choices: dict[int, dict[str, Any]] = {}

    @property
    def whole(self) -> bool:
        """Whether every choice says why it ended, and the usage, which comes last, is there."""
        ended = [one["finish_reason"] for one in self._choices.values()]
        return bool(ended) and all(ended) and "usage" in self._top

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one chunk in; return whether it brought some of an answer."""
        self._top |= {name: value for name, value in event.items() if value is not None}
        pieces = event.get("choices")
        found = [one for one in pieces if isinstance(one, dict)] if isinstance(pieces, list) else []
        grown = [self._add(piece) for piece in found]
        return any(grown)

    def body(self) -> dict[str, Any]:
        """Return the body."""
        choices = [self._choices[place] for place in sorted(self._choices)]
        return {**self._top, "object": self._kind, "choices": choices}

    def _add(self, piece: Mapping[str, Any]) -> bool:
        place = piece.get("index")
        place = place if isinstance(place, int) else 0
        choice = self._choices.setdefault(
            place, {"index": place, **self._empty(), "logprobs": None, "finish_reason": None}
        )
        for name, value in piece.items():
            if name == "logprobs" and isinstance(value, dict):
                choice[name] = longer(choice[name] or {}, value)
            elif name not in {"index", "delta", "text"} and value is not None:
                choice[name] = value
        return self._grow(choice, piece)


def longer(known: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Return fields with what a chunk adds: lists and texts grow, other values replace, null adds nothing."""
    found = dict(known)
    for name, value in more.items():
        grows = isinstance(value, list | str) and type(found.get(name)) is type(value)
        if grows:
            found[name] = found[name] + value
        elif value is not None or name not in found:
            found[name] = value
    return found
