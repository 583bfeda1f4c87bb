"""The records that the stages of an evaluation pass on: all frozen, all plain data.

Sample -> Question -> Request -> Response | Failure -> Generation -> Score -> Aggregate -> report
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")

Message = Mapping[str, Any]

TURNS = "turns"
"""The input field with what the user says in a conversation, turn by turn."""
REFERENCES = ("reference", "references")

OVER_BUDGET, STOPPED, INTERRUPTED = "over_budget", "stopped", "interrupted"
ENDED_EARLY = (INTERRUPTED, STOPPED, OVER_BUDGET)
"""Kinds of Failure of what a run did not ask, or not wait for, because its budget, an error or somebody ended
it; and the status of such a run, the first of them that it has."""


_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def _encoder() -> Callable[[Any, int], Iterable[str]]:
    """Return what `_ENCODER` makes anew for every value, made once; it looks for no circles."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # another Python than CPython
        return lambda value, _: (_ENCODER.encode(value),)
    flags = (True, False, False)  # sorted names, none skipped, no NaN
    made: Callable[[Any, int], Iterable[str]] = make(
        None, _ENCODER.default, json.encoder.encode_basestring_ascii, None, ":", ",", *flags
    )
    return made


_encode = _encoder()


def canonical_json(value: Any) -> str:
    """Return the one spelling of a JSON value that hashes are made of: sorted keys, ASCII, no spaces.

    Raises ValueError for NaN and infinities, TypeError for what is not JSON.
    """
    try:
        return "".join(_encode(value, 0))
    except RecursionError:  # too deep, or in a circle: the whole encoder says which
        return _ENCODER.encode(value)


def content_hash(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON value's canonical spelling."""
    return hashlib.sha256(canonical_json(value).encode("ascii")).hexdigest()


def quickly_copied(cls: type[T]) -> type[T]:
    """Have pickle make a record by its constructor: four times as fast as what slots come with."""
    values = attrgetter(*(one.name for one in fields(cls)))  # type: ignore[arg-type]
    cls.__reduce__ = lambda self: (cls, values(self))  # type: ignore[method-assign]
    return cls


@quickly_copied
@dataclass(frozen=True, slots=True)
class Sample:
    """One row of a dataset, its columns mapped to what the task asks for.

    `target` is a string, a list of acceptable strings, or structured; None where the task needs none.
    `group` names the cluster (document, conversation) that the sample shares with others. `added` is what
    evalkit made of the row (passages that were found for it, a field prepared, choices in another order):
    templates see it like input, and instead of a field of that name.
    """

    id: str
    input: Mapping[str, Any]
    target: Any = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    added: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fields(self) -> dict[str, Any]:
        """What templates see: the input, with what was added to it."""
        return {**self.input, **self.added}

    @property
    def hash(self) -> str:
        """SHA-256 of the row: input and target, not the id. What was added is how it is asked, not what."""
        return content_hash({"input": dict(self.input), "target": self.target})

    @property
    def references(self) -> tuple[str, ...]:
        """The target as acceptable texts: one string, or each string of a list.

        Those of the last reply, where the target is a list as long as a conversation's turns. An empty list
        means that the question has no answer: then to say nothing is right.
        """
        target = self.target
        if isinstance(target, str):
            return (target,)
        turns = self.input.get(TURNS)
        if target == []:
            return ("",)
        if isinstance(turns, Sequence) and isinstance(target, list) and len(turns) == len(target) > 1:
            return acceptable(target[-1])
        if isinstance(target, Mapping):
            return (text_of(target),)
        return acceptable(target)


def acceptable(expected: Any) -> tuple[str, ...]:
    """Return the acceptable texts of what a reply is held to: a text, or a list of them.

    Of a mapping, whose other entries are checks, those under `reference` and `references`.
    """
    if expected is None:
        return ()
    if isinstance(expected, str):
        return (expected,)
    if isinstance(expected, Mapping):
        return tuple(text for name in REFERENCES for text in acceptable(expected.get(name)))
    if isinstance(expected, Sequence):
        return tuple(text_of(one) for one in expected)
    return (text_of(expected),)


def text_of(value: Any) -> str:
    """Return a JSON leaf as the text a model would write: `true`, `3`, `3.5`, the string itself."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Question:
    """What a model is asked, whoever it is: messages, and what the answer is held to.

    `tools` are definitions in the form of chat completions. `turn` counts the questions of a conversation
    from 0; the answers to those before are among the messages.
    """

    messages: tuple[Message, ...] = ()
    answer_schema: Mapping[str, Any] | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    turn: int = 0


@dataclass(frozen=True)
class Request:
    """What is asked: the exact body sent, where, and the number of the repeat.

    `server` is the identity of the base URL or embedded model, so that two servers never share answers.
    Timeouts and concurrency stay out: they cannot change an answer.
    """

    server: str
    endpoint: str
    body: Mapping[str, Any]
    trial: int = 0

    @cached_property
    def key(self) -> str:
        """SHA-256 (hex) over everything that can change the answer."""
        return content_hash(
            {"server": self.server, "endpoint": self.endpoint, "body": self.body, "trial": self.trial}
        )

    @property
    def choices(self) -> int:
        """How many answers are asked for at once (`n`): trials `trial` to `trial + choices - 1`."""
        n = self.body.get("n", 1)
        return n if isinstance(n, int) else 1

    def __reduce__(self) -> tuple[Any, ...]:
        """With the key, where it is known: to make it anew takes longer than to read all else."""
        return _request, (self.server, self.endpoint, self.body, self.trial, self.__dict__.get("key"))


def _request(server: str, endpoint: str, body: Mapping[str, Any], trial: int, key: str | None) -> Request:
    made = Request(server, endpoint, body, trial)
    if key is not None:
        made.__dict__["key"] = key
    return made


@quickly_copied
@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the server counted them; `cached` is part of `prompt`, `reasoning` part of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


@quickly_copied
@dataclass(frozen=True, slots=True)
class Response:
    """A validated answer. `latency` is seconds from sending to the whole body (as first measured).

    Where one request brought several answers, its usage stands at the first. `time_to_first_token` is seconds
    from sending to the first piece of any of them; None where the answer was not streamed.
    """

    text: str
    finish_reason: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    usage: Usage | None = None
    logprobs: Any = None
    tool_calls: Any = None
    refusal: str | None = None
    latency: float | None = None
    time_to_first_token: float | None = None


@quickly_copied
@dataclass(frozen=True, slots=True)
class Failure:
    """A request that gave no answer: counted and shown, never scored."""

    sample_id: str
    trial: int
    kind: str
    message: str
    attempts: int = 1


@quickly_copied
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request. Exactly one of `response` and `failure` is set.

    At the end of a conversation it is that of the last question, and `earlier` are those of the ones before.
    `prompt_hash` is that of the messages, None where none are sent.
    """

    sample_id: str
    trial: int
    request_key: str
    response: Response | None = None
    failure: Failure | None = None
    cached: bool = False
    earlier: tuple[Outcome, ...] = ()
    prompt_hash: str | None = None

    @property
    def turns(self) -> tuple[Outcome, ...]:
        """All questions of the conversation in order; this one alone where there is only one."""
        return (*self.earlier, replace(self, earlier=()) if self.earlier else self)


@quickly_copied
@dataclass(frozen=True, slots=True)
class Generation:
    """A response after post-processing; `prediction` is None when unparsed, and `unparsed` says why.

    `earlier` are the responses to a conversation's questions before the last, and `earlier_predictions` what
    post-processing makes of them.
    """

    sample_id: str
    trial: int
    response: Response
    prediction: Any = None
    unparsed: str | None = None
    earlier: tuple[Response, ...] = ()
    earlier_predictions: tuple[Any, ...] = ()

    @property
    def text(self) -> str | None:
        """The prediction as text; None when unparsed."""
        return None if self.prediction is None else text_of(self.prediction)

    @property
    def replies(self) -> tuple[str, ...]:
        """The model's texts, one for each question of the conversation."""
        return tuple(one.text for one in (*self.earlier, self.response))

    @property
    def predictions(self) -> tuple[Any, ...]:
        """The prediction of each reply; None where it is unparsed."""
        return (*self.earlier_predictions, self.prediction)


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's statistics for one sample and trial."""

    sample_id: str
    trial: int
    metric: str
    statistics: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One value of a run, in the scale of the reference implementation, with its interval.

    `n` counts scored samples, `n_failed` samples left out because a request failed, `n_unparsed` those
    counted wrong because the output could not be parsed; `maximum` is the scale's best value (1 or 100).
    `unit` is set where the value is no score out of a maximum: seconds, US dollars, a plain number ("").
    """

    metric: str
    value: float
    low: float | None
    high: float | None
    confidence: float
    interval: str
    n: int
    n_failed: int
    n_unparsed: int
    signature: str
    higher_is_better: bool
    maximum: float
    unit: str | None = None
