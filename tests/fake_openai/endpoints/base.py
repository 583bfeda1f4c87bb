"""What every endpoint family shares: the call it gets, its route, and the checks that all models make."""

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from fake_openai import tokens
from fake_openai.payloads import ApiError, Body, Payload, json_payload, missing, model_not_found
from fake_openai.replies import Answer, Reply, choose

DEFAULT_MODELS = ("gpt-4", "gpt-4-0613", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini")


@dataclass(frozen=True, slots=True)
class Script:
    """What the test wants said; `models` None accepts any name."""

    answer: Answer = None
    models: Collection[str] | None = None
    system_fingerprint: str = "fp_fake000001"

    def check_model(self, model: Any) -> str:
        if not isinstance(model, str) or not model:
            raise ApiError(400, "you must provide a model parameter")
        if self.models is not None and model not in self.models:
            raise model_not_found(model)
        return model


@dataclass(frozen=True, slots=True)
class Call:
    """One request as an endpoint sees it; `raw` is for families whose bodies are no JSON (uploads)."""

    method: str
    path: str
    body: Body
    key: str
    script: Script
    raw: bytes = b""
    content_type: str = "application/json"
    query: Mapping[str, str] | None = None

    def replies(self, n: int) -> list[Reply]:
        return choose(self.script.answer, self.body, self.key, n)


Endpoint = Callable[[Call], Payload]


class Route:
    """A method and a path pattern; `{id}` stands for one segment (or more: model names hold slashes)."""

    def __init__(self, method: str, pattern: str, endpoint: Endpoint) -> None:
        self.method, self.pattern, self.endpoint = method, pattern, endpoint
        self._regex = re.compile(re.escape(pattern).replace(r"\{id\}", "(.+)"))

    def fits(self, path: str) -> bool:
        return self._regex.fullmatch(path) is not None


def created() -> int:
    return int(time.time())


def finish(reply: Reply, value: Body) -> Payload:
    """The response for a call: a scripted raw body as it is, else the value."""
    if reply.raw_body is not None:
        return Payload(reply.raw_body, reply.status, reply.headers)
    return json_payload(value, status=reply.status, headers=reply.headers)


def check_sampling(body: Body) -> int:
    """The API's 400s for parameters out of range; gives n."""
    for name, low, high in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("n", 1, 128),
    ):
        value = body.get(name)
        if value is None:
            continue
        kind = "integer" if name == "n" else "decimal"
        if isinstance(value, bool) or not isinstance(value, int if name == "n" else int | float):
            raise ApiError(
                400,
                f"Invalid type for '{name}': expected {kind}, got {type(value).__name__} instead.",
                param=name,
                code="invalid_type",
            )
        for broken, side, sign, bound in (
            (value < low, "below", ">=", low),
            (value > high, "above", "<=", high),
        ):
            if broken:
                code = f"{kind}_{side}_{'min' if side == 'below' else 'max'}_value"
                limit = "minimum" if side == "below" else "maximum"
                message = (
                    f"Invalid '{name}': {kind} {side} {limit} value. "
                    f"Expected a value {sign} {bound}, but got {value} instead."
                )
                raise ApiError(400, message, param=name, code=code)
    return body.get("n") or 1


def require_conversation(body: Body, name: str) -> None:
    value = body.get(name)
    if value is None:
        raise missing(name)
    if value == []:
        message = (
            f"Invalid '{name}': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead."
        )
        raise ApiError(400, message, param=name, code="empty_array")


def require_the_word_json(body: Body, wanted: Any, name: str) -> None:
    """JSON mode without the word "json" in the conversation is a 400 in the real API."""
    if not isinstance(wanted, dict) or wanted.get("type") != "json_object":
        return
    said = [tokens.content_text(body.get("instructions"))]
    said += [tokens.content_text(m.get("content")) for m in tokens.messages_of(body) if isinstance(m, dict)]
    if "json" not in " ".join(said).lower():
        message = (
            f"'{name}' must contain the word 'json' in some form, "
            "to use 'response_format' of type 'json_object'."
        )
        raise ApiError(400, message, param=name)


def usage(prompt: int, completion: int, replies: list[Reply]) -> Body:
    """Checked against openai.types.CompletionUsage; a reply's own usage wins field by field."""
    counted: Body = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    return counted | dict(replies[0].usage or {})
