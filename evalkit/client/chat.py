"""The chat completions endpoint: bodies built and read by hand, because the client validates neither.

Checked against the types of the openai package (`openai.types.chat`). An HTML page, an empty body, an error
object with status 200, truncated JSON and a missing choice are refused here; none of them is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from evalkit.errors import RequestError
from evalkit.records import Message, Response, Usage

SHOWN = 200  # characters of a bad body in a message


class ChatCompletions:
    """`POST /chat/completions` with one choice."""

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

    def parse(self, body: bytes) -> Response:
        """Return the answer in a body; RequestError of kind bad_response or content_filter."""
        data = _object(body)
        choice = _choice(data)
        message = choice.get("message")
        if not isinstance(message, dict):
            raise bad_response("the choice has no message", body)
        finish_reason = choice.get("finish_reason")
        content = message.get("content")
        if finish_reason == "content_filter":
            raise RequestError("content_filter", "the server's content filter withheld the answer")
        if content is not None and not isinstance(content, str):
            raise bad_response("the message's content is not text", body)
        empty_is_meant = message.get("tool_calls") or message.get("refusal") or finish_reason == "length"
        if content is None and not empty_is_meant:
            raise bad_response("the message has no content", body)
        return Response(
            text=content or "",
            finish_reason=finish_reason,
            model=data.get("model"),
            system_fingerprint=data.get("system_fingerprint"),
            usage=_usage(data.get("usage")),
            logprobs=choice.get("logprobs"),
            tool_calls=message.get("tool_calls"),
            refusal=message.get("refusal"),
        )


def bad_response(what: str, body: bytes) -> RequestError:
    """Return the error for a body that is no answer: worth asking again, never scored."""
    start = body[:SHOWN].decode("utf-8", "replace").strip()
    return RequestError("bad_response", f"{what}: {start!r}" if start else what, retryable=True)


def _object(body: bytes) -> dict[str, Any]:
    if not body.strip():
        raise bad_response("the body is empty", body)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        what = "the body is a web page" if body.lstrip()[:1] == b"<" else "the body is not whole JSON"
        raise bad_response(what, body) from None
    if not isinstance(data, dict):
        raise bad_response("the body is not a JSON object", body)
    if data.get("error"):
        raise bad_response("an error object came with status 200", body)
    return data


def _choice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        raise bad_response("the body has no choice", orjson.dumps(data))
    return choices[0]


def _usage(value: Any) -> Usage | None:
    if not isinstance(value, dict):
        return None
    prompt = value.get("prompt_tokens_details") or {}
    completion = value.get("completion_tokens_details") or {}
    return Usage(
        prompt=value.get("prompt_tokens") or 0,
        completion=value.get("completion_tokens") or 0,
        cached=prompt.get("cached_tokens") or 0,
        reasoning=completion.get("reasoning_tokens") or 0,
    )
