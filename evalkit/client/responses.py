"""The Responses endpoint: input items and output items instead of messages and choices.

Checked against the types of the openai package (`openai.types.responses`). Tool calls and log-probabilities
are told in the form that chat completions have, so that metrics need not know which endpoint was asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalkit.client.body import any_object_in, bad_response, filtered, first_token_in, text_in, usage_in
from evalkit.client.parameters import Taken, tool_choice
from evalkit.client.streaming import Assembly
from evalkit.errors import ModelError, RequestError
from evalkit.records import Message, Response
from evalkit.tokens import LIMITS

INSTRUCTING = {"system", "developer"}
LOGPROBS = "message.output_text.logprobs"
# Codes of a failed response after which the same request may succeed; policies that forbade it; the rest,
# like an image that nobody can read, is the request's fault. An unknown code is asked again.
AGAIN = {
    "server_error": "server_error",
    "rate_limit_exceeded": "rate_limited",
    "vector_store_timeout": "timeout",
    "failed_to_download_image": "server_error",
}
FORBIDDEN = {"bio_policy", "misalignment_policy_violation", "image_content_policy_violation"}
WRONG = {
    *("invalid_prompt", "invalid_image", "invalid_image_format"),
    *("invalid_base64_image", "invalid_image_url", "image_too_large", "image_too_small", "image_parse_error"),
    *("invalid_image_mode", "image_file_too_large", "unsupported_image_media_type", "empty_image_file"),
    "image_file_not_found",
}
_ONLY_CHAT = "take it out, or add model.endpoint=chat"


class Responses:
    """`POST /responses`. Nothing is stored at the server unless `model.extra.store=true` asks for it."""

    name = "responses"
    path = "/responses"
    takes = Taken(
        "responses",
        refused={
            "n": "set trials instead: one request for each answer",
            "stop": _ONLY_CHAT,
            "seed": _ONLY_CHAT,
            "presence_penalty": _ONLY_CHAT,
            "frequency_penalty": _ONLY_CHAT,
            "logit_bias": _ONLY_CHAT,
            "suffix": "add model.endpoint=completions",
            "echo": "add model.endpoint=completions",
            "best_of": "set trials",
        },
        logprobs=bool,
    )
    streams_with: Mapping[str, Any] = {}  # the last event of a stream tells the usage
    takes_schema = True

    def spell(self, params: Mapping[str, Any], accepts: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: ARG002 - one name for all models
        """Return the parameters as they are sent: some are fields of objects here."""
        nested = {"reasoning_effort": ("reasoning", "effort"), "verbosity": ("text", "verbosity")}
        sent = {name: value for name, value in params.items() if name not in {*nested, *LIMITS, "logprobs"}}
        for name in LIMITS:
            if params.get(name) is not None:
                sent["max_output_tokens"] = params[name]
        if params.get("logprobs"):
            sent["include"] = [*sent.get("include", []), LOGPROBS]
        chosen = tool_choice(sent.get("tool_choice"))
        if isinstance(chosen, Mapping) and isinstance(chosen.get("function"), Mapping):
            sent["tool_choice"] = {"type": "function", **chosen["function"]}
        for name, (parent, field) in nested.items():
            if name in params:
                sent[parent] = {**sent.get(parent, {}), field: params[name]}
        return sent

    def build(
        self,
        model: str,
        messages: Sequence[Message],
        params: Mapping[str, Any],
        answer_schema: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the JSON body to send: what the system says first are the instructions."""
        instructions, rest = _split(messages)
        body: dict[str, Any] = {"model": model}
        if instructions:
            body["instructions"] = "\n\n".join(instructions)
        body |= {"input": [item for one in rest for item in _items(one)], "store": False, **params}
        if tools:
            body["tools"] = [_tool(one) for one in tools]
        if answer_schema is not None:
            wanted = {"type": "json_schema", "name": "answer", "strict": True, "schema": dict(answer_schema)}
            body["text"] = {**body.get("text", {}), "format": wanted}
        return body

    def parse(self, body: bytes, place: int = 0) -> Response:
        """Return the answer; RequestError for a failed response and for what is no response."""
        data = any_object_in(body)
        ended = _ended(data, body)
        if place:
            raise bad_response(f"the body has no choice {place}: a response is one answer", body)
        output = data.get("output")
        if not isinstance(output, list):
            raise bad_response("the response has no output", body)
        said = [*_said(output, body)]
        calls = [call for item in output if (call := _call(item)) is not None]
        refusal = "".join(part["refusal"] for part in said if part.get("type") == "refusal")
        texts = [part for part in said if part.get("type") == "output_text"]
        if not (texts or calls or refusal or ended == "length"):
            raise bad_response("the response has no text", body)
        return Response(
            text="".join(part["text"] for part in texts),
            finish_reason="tool_calls" if calls and ended == "stop" else ended,
            model=text_in(data.get("model")),
            usage=usage_in(data.get("usage"), "input", "output"),
            logprobs=_logprobs(texts),
            tool_calls=calls or None,
            refusal=refusal or None,
            time_to_first_token=first_token_in(data),
        )

    def assembly(self) -> Assembly:
        """Return what finds the answer in a stream."""
        return _LastEvent()


# -------------------------------------------------------------------------------------- what is asked


def _split(messages: Sequence[Message]) -> tuple[list[str], Sequence[Message]]:
    """Return the texts that the system begins with, and the messages after them."""
    texts: list[str] = []
    for one in messages[:-1]:  # an input must have at least one item
        if one["role"] not in INSTRUCTING or not isinstance(one["content"], str):
            break
        texts.append(one["content"])
    return texts, messages[len(texts) :]


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Yield a message as input items: its content, then its tool calls; or the result of a call."""
    role, content = message["role"], message.get("content")
    if role == "tool":
        yield {"type": "function_call_output", "call_id": message["tool_call_id"], "output": content}
        return
    if isinstance(content, list):
        content = [_part(one, "output_text" if role == "assistant" else "input_text") for one in content]
    if content or not message.get("tool_calls"):
        yield {"role": role, "content": content or ""}
    for call in message.get("tool_calls") or ():
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tool in this endpoint's form: flat, and held to its schema only where that is said.

    Left out, `strict` is true here and false for chat completions: the same question must be asked.
    """
    function = {"parameters": {"type": "object", "properties": {}}, "strict": False, **tool["function"]}
    return {"type": "function", **function}


def _part(part: Mapping[str, Any], text_type: str) -> dict[str, Any]:
    """Return one part of a message's content as the endpoint names it."""
    kind = part.get("type")
    if kind == "text":
        return {"type": text_type, "text": part["text"]}
    if kind == "image_url":
        image = part["image_url"]
        return {"type": "input_image", "image_url": image["url"], "detail": image.get("detail", "auto")}
    if kind == "file":
        return {"type": "input_file", **part["file"]}
    raise ModelError(
        f"a message holds {kind}, which the responses endpoint does not take; set model.endpoint=chat"
    )


# ---------------------------------------------------------------------------------- what is answered


def _ended(data: Mapping[str, Any], body: bytes) -> str | None:
    """Return why the answer ended, in chat's words; raise RequestError where there is none."""
    error, status = data.get("error"), data.get("status")
    if error or status == "failed":
        raise _failed(error, body)
    if status == "incomplete":
        details = data.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        if reason == "content_filter":
            raise filtered()
        if reason != "max_output_tokens":
            raise bad_response(f"the response is incomplete ({reason})", body)
        return "length"
    if status not in ("completed", None):
        raise bad_response(f"the response is {status}", body)
    return "stop" if status else None


def _failed(error: Any, body: bytes) -> RequestError:
    code = error.get("code") if isinstance(error, dict) else None
    said = f"the response failed: {error.get('message') or code}" if isinstance(error, dict) else ""
    if not isinstance(code, str):
        return bad_response("the response failed", body)
    if code in FORBIDDEN:
        return RequestError("content_filter", said)
    if code in WRONG:
        return RequestError("bad_request", said)
    return RequestError(AGAIN.get(code, "bad_response"), said, retryable=True)


def _said(output: Sequence[Any], body: bytes) -> Iterator[dict[str, Any]]:
    """Yield the texts and refusals of all messages in order, as the official client's `output_text` does."""
    for item in output:
        if not isinstance(item, dict) or item.get("type") != "message":
            continue
        content = item.get("content")
        if not isinstance(content, list):
            raise bad_response("a message of the response has no content", body)
        for part in content:
            name = {"output_text": "text", "refusal": "refusal"}.get(_type(part))
            if name is None:
                continue
            if not isinstance(part.get(name), str):
                raise bad_response("a message's content is not text", body)
            yield part


def _call(item: Any) -> dict[str, Any] | None:
    """Return a tool call as chat completions give it; None for any other item."""
    kind = _type(item)
    if kind == "function_call":
        called = {"name": item.get("name"), "arguments": item.get("arguments")}
        return {"id": item.get("call_id"), "type": "function", "function": called}
    if kind == "custom_tool_call":
        called = {"name": item.get("name"), "input": item.get("input")}
        return {"id": item.get("call_id"), "type": "custom", "custom": called}
    return None


def _type(value: Any) -> str:
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else ""


def _logprobs(texts: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    found = [one for part in texts if isinstance(part.get("logprobs"), list) for one in part["logprobs"]]
    return {"content": found, "refusal": None} if found else None


class _LastEvent:
    """The stream's last event holds the whole response."""

    def __init__(self) -> None:
        self._response: dict[str, Any] | None = None

    @property
    def whole(self) -> bool:
        """Whether that event came."""
        return self._response is not None

    def add(self, event: Mapping[str, Any]) -> bool:
        """Take one event in; return whether it brought some of the answer."""
        kind = _type(event)
        response = event.get("response")
        if kind in {"response.completed", "response.incomplete", "response.failed"} and isinstance(
            response, dict
        ):
            self._response = response
        # What it thinks is not the answer; a call's arguments are.
        spoken = kind.endswith(".delta") and "reasoning" not in kind
        return spoken and bool(event.get("delta"))

    def body(self) -> dict[str, Any]:
        """Return the response."""
        return self._response or {}
