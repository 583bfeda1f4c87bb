"""The seam between the runner and whatever answers: an API, the embedded model, a file of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from evalkit.client.parameters import Taken
from evalkit.client.streaming import Assembly
from evalkit.errors import RequestError
from evalkit.records import Message, Question, Request, Response, Sample


@dataclass(frozen=True, slots=True)
class Reply:
    """A body as it came over the wire, the seconds from sending to its last byte, the response's headers."""

    body: bytes
    latency: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per million tokens, the day they were recorded, and the price list they come from if any.

    `batch_discount` is the share that the batch API takes off all of them.
    """

    input: float
    output: float
    cached_input: float | None = None
    recorded: str = ""
    batch_discount: float | None = None
    source: str = ""


class Endpoint(Protocol):
    """One of the API's endpoints: how a request's body is built and a response's is read."""

    name: str
    """As it stands in every request's key."""
    path: str
    takes: Taken
    """Which parameters it knows."""
    takes_schema: bool
    """Whether it can hold an answer to a JSON schema."""
    streams_with: Mapping[str, Any]
    """What is sent beside `stream`, so that the stream tells the usage."""

    def spell(self, params: Mapping[str, Any], accepts: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return checked parameters under the names that they are sent by; `accepts` is the model's own."""
        ...

    def build(
        self,
        model: str,
        messages: Sequence[Message],
        params: Mapping[str, Any],
        answer_schema: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the JSON body to send, of parameters already spelled; tools as chat completions define them.

        Raises ModelError for messages and tools that it cannot send.
        """
        ...

    def parse(self, body: bytes, place: int = 0) -> Response:
        """Return the validated answer of one choice; RequestError for anything that is none."""
        ...

    def assembly(self) -> Assembly:
        """Return what puts a streamed answer together as a body."""
        ...


class Model(Protocol):
    """Something that answers requests."""

    name: str
    """What was asked for: `gpt-4o`, `recorded`."""
    needs_prompt: bool
    """Whether templates are rendered for it."""
    cacheable: bool
    """Whether its answers are worth keeping."""
    prices: Prices | None

    @property
    def identity(self) -> str:
        """Who answers: a URL, or the embedded model's hashes; part of every request's key."""
        ...

    @property
    def settings(self) -> Mapping[str, Any]:
        """Parameters as they are sent, for the report."""
        ...

    def check(self, samples: Sequence[Sample]) -> None:
        """Raise before anything is sent when these samples cannot be answered."""
        ...

    def request(self, sample: Sample, question: Question, trial: int) -> Request:
        """Return what is asked for one sample and repeat; a question of a conversation knows its turn."""
        ...

    def parse(self, request: Request, body: bytes, choice: int = 0) -> Response:
        """Return the validated answer; RequestError for anything that is none."""
        ...

    async def send(self, request: Request) -> Reply:
        """Ask once; RequestError when there is no answer. Servers are looked for only here."""
        ...

    async def close(self) -> None:
        """Let go of connections and servers; safe when nothing was ever sent."""
        ...


@runtime_checkable
class Keyed(Protocol):
    """A model that can say before anything is sent whether its key is there."""

    def check_key(self) -> None:
        """Raise ModelError when it is not."""
        ...


def answers_in(model: Model, request: Request, body: bytes) -> list[Response | RequestError]:
    """Return what a body holds for each choice asked for: an answer, or why it was withheld for good.

    Raises RequestError when some of it is no answer and asking again may help.
    """
    found: list[Response | RequestError] = []
    for choice in range(request.choices):
        try:
            # A third party's model that answers once need not know of choices.
            found.append(model.parse(request, body, choice) if choice else model.parse(request, body))
        except RequestError as error:
            if error.retryable:
                raise
            found.append(error)
    return found
