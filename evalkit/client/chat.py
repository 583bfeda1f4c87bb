"""The chat completions endpoint: bodies built and read by hand, because the client validates neither.

Checked against the types of the openai package (`openai.types.chat`). An HTML page, an empty body, an error
object with status 200, truncated JSON and a missing choice are refused here; none of them is an answer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from evalkit.errors import RequestError
from evalkit.records import Message, Response, Usage

SHOWN = 200  # characters of a bad body in a message


class ChatCompletions:
    """`POST /chat/completions`."""

    name = "chat.completions"
    path = "/chat/completions"

    def build(
        self,
        model: str,
        messages: Sequence[Message],
        params: Mapping[str, Any],
        answer_schema: Mapping[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the JSON body to send."""
        body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in messages], **params}
        if answer_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": dict(answer_schema)},
            }
        return body

    def parse(self, body: bytes, place: int = 0) -> Response:
        """Return the answer of a body's choice; RequestError of kind bad_response or content_filter."""
        data = _object(body)
        choice = _choice(data, body, place)
        finish_reason = _text(choice.get("finish_reason"))
        if finish_reason == "content_filter":
            raise RequestError("content_filter", "the server's content filter withheld the answer")
        if finish_reason == "error" or choice.get("error"):  # OpenRouter, when its upstream failed half-way
            raise bad_response("the choice is an error", body)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise bad_response("the choice has no message", body)
        content, refusal, calls = message.get("content"), _text(message.get("refusal")), _calls(message)
        if content is not None and not isinstance(content, str):
            raise bad_response("the message's content is not text", body)
        if content is None and not (calls or refusal or finish_reason == "length"):
            raise bad_response("the message has no content", body)
        return Response(
            text=content or "",
            finish_reason=finish_reason,
            model=_text(data.get("model")),
            system_fingerprint=_text(data.get("system_fingerprint")),
            usage=None if place else _usage(data.get("usage")),
            logprobs=choice.get("logprobs"),
            tool_calls=calls,
            refusal=refusal,
        )


def bad_response(what: str, body: bytes) -> RequestError:
    """Return the error for a body that is no answer: worth asking again, never scored."""
    start = body[:SHOWN].decode("utf-8", "replace").strip()
    return RequestError("bad_response", f"{what}: {start!r}" if start else what, retryable=True)


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise bad_response("the body is empty", body)
    try:
        data = _json(body)
    except (ValueError, RecursionError):
        what = "the body is a web page" if body.lstrip()[:1] == b"<" else "the body is not whole JSON"
        raise bad_response(what, body) from None
    if not isinstance(data, dict):
        raise bad_response("the body is not a JSON object", body)
    if data.get("error"):
        raise bad_response("an error object came with status 200", body)
    return data


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        if rb"\ud" not in body.lower():
            raise
        # An answer cut off inside an emoji may end in half of a surrogate pair: JSON can spell it.
        return json.loads(body.decode("utf-8"), parse_constant=_no_number)


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _choice(data: Mapping[str, Any], body: bytes, place: int) -> Mapping[str, Any]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise bad_response("the body has no choice", body)
    if len(choices) == 1 and place == 0:
        return choices[0]
    # Several choices need not come in order: each says its index.
    for at, choice in enumerate(choices):
        if isinstance(choice, dict) and choice.get("index", at) == place:
            return choice
    raise bad_response(f"the body has no choice {place}: {len(choices)} came, more were asked for", body)


def _calls(message: Mapping[str, Any]) -> list[Any] | None:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) and calls else None


def _usage(value: Any) -> Usage | None:
    """Return the counted tokens; what a server left out or spelled otherwise counts as 0."""
    if not isinstance(value, dict):
        return None
    return Usage(
        prompt=_count(value, "prompt_tokens"),
        completion=_count(value, "completion_tokens"),
        cached=_count(value.get("prompt_tokens_details"), "cached_tokens"),
        reasoning=_count(value.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _count(counts: Any, name: str) -> int:
    value = counts.get(name) if isinstance(counts, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
