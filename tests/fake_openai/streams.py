"""A good answer as the server-sent events that the API streams it in, checked by the official client's types.

Every choice comes token by token, the choices in turns; the responses endpoint names its events and ends with
the whole response.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import orjson

from fake_openai import tokens
from fake_openai.faults import Fault
from fake_openai.payloads import ApiError, Body, Payload, error_object

_DONE = b"data: [DONE]\n\n"
_ERROR = error_object("The server had an error while processing your request.", kind="server_error")


def check(body: Body, path: str) -> None:
    """The API's 400s: options of a stream that is none, or of another endpoint."""
    options = body.get("stream_options")
    if options is None:
        return
    if not body.get("stream"):
        raise ApiError(
            400,
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
            param="stream_options",
        )
    if path.endswith("/responses") and "include_usage" in options:
        raise ApiError(
            400,
            "Unknown parameter: 'stream_options.include_usage'.",
            param="stream_options.include_usage",
            code="unknown_parameter",
        )


def streamed(good: Payload, body: Body, fault: Fault | None) -> Payload:
    """The payload as a stream; `stream_cut` and `stream_error` end it in the middle, at a whole event."""
    if good.status != 200:
        return good
    value = orjson.loads(good.body)
    events = list(_responses(value) if value["object"] == "response" else _chunks(value, body))
    if fault is not None and fault.kind == "stream_cut":
        events = events[: len(events) // 2]
    elif fault is not None and fault.kind == "stream_error":
        events = [*events[: len(events) // 2], _event(_ERROR)]
    return Payload(b"".join(events), 200, good.headers, "text/event-stream; charset=utf-8")


def _event(value: Any, name: str | None = None) -> bytes:
    head = b"" if name is None else b"event: " + name.encode() + b"\n"
    return head + b"data: " + orjson.dumps(value) + b"\n\n"


def _chunks(value: Body, body: Body) -> Iterator[bytes]:
    chat = value["object"] == "chat.completion"
    wants_usage = (body.get("stream_options") or {}).get("include_usage")
    top = {name: one for name, one in value.items() if name not in ("choices", "usage")}
    top |= {"object": "chat.completion.chunk"} if chat else {}
    top |= {"usage": None} if wants_usage else {}
    if "prompt_filter_results" in top:  # Azure: in a chunk of its own
        yield _event({**top, "choices": []})
        del top["prompt_filter_results"]
    deltas: Callable[[Body], Iterator[Body]] = _chat_deltas if chat else _text_deltas
    for turn in zip_longest(*map(deltas, value["choices"])):
        for choice in filter(None, turn):
            yield _event({**top, "choices": [choice]})
    if wants_usage:
        yield _event({**top, "choices": [], "usage": value["usage"]})
    yield _DONE


def _chat_deltas(choice: Body) -> Iterator[Body]:
    message, shown = choice["message"], choice["logprobs"]
    rest = {name: one for name, one in choice.items() if name not in ("message", "logprobs")}

    def piece(delta: Body, *, logprobs: Body | None = None, reason: str | None = None) -> Body:
        return {**rest, "delta": delta, "logprobs": logprobs, "finish_reason": reason}

    yield piece({"role": "assistant", "content": None if message["content"] is None else "", "refusal": None})
    entries = (shown or {}).get("content") or []
    for place, text in enumerate(_pieces(message["content"] or "", entries)):
        logprobs = {"content": [entries[place]], "refusal": None} if entries else None
        yield piece({"content": text}, logprobs=logprobs)
    for text in tokens.split(message["refusal"] or ""):
        yield piece({"refusal": text})
    for place, call in enumerate(message.get("tool_calls", ())):
        called = {"name": call["function"]["name"], "arguments": ""}
        yield piece({"tool_calls": [{**call, "index": place, "function": called}]})
        for text in tokens.split(call["function"]["arguments"]):
            yield piece({"tool_calls": [{"index": place, "function": {"arguments": text}}]})
    yield piece({}, reason=choice["finish_reason"])


def _pieces(text: str, entries: list[Mapping[str, Any]]) -> list[str]:
    return [entry["token"] for entry in entries] or tokens.split(text)


def _text_deltas(choice: Body) -> Iterator[Body]:
    shown = choice["logprobs"]
    pieces = shown["tokens"] if shown else tokens.split(choice["text"])
    rest = {**choice, "finish_reason": None}
    for place, text in enumerate(pieces):
        logprobs = {name: [some[place]] for name, some in shown.items()} if shown else None
        yield {**rest, "text": text, "logprobs": logprobs}
    yield {**choice, "text": "", "logprobs": None}


def _responses(value: Body) -> Iterator[bytes]:
    events = _named(value)
    for number, event in enumerate(events):
        yield _event({**event, "sequence_number": number}, event["type"])


def _named(value: Body) -> Iterator[Body]:
    begun = {**value, "status": "in_progress", "output": [], "usage": None, "completed_at": None}
    yield {"type": "response.created", "response": {**begun, "incomplete_details": None}}
    for place, entry in enumerate(value["output"]):
        where = {"output_index": place, "item_id": entry["id"]}
        yield {"type": "response.output_item.added", "output_index": place, "item": _begun(entry)}
        if entry["type"] == "function_call":
            for text in tokens.split(entry["arguments"]):
                yield {"type": "response.function_call_arguments.delta", **where, "delta": text}
        for index, part in enumerate(entry.get("content", ())):
            kind = "refusal" if part["type"] == "refusal" else "output_text"
            spoken = part["refusal"] if kind == "refusal" else part["text"]
            more: Body = {} if kind == "refusal" else {"logprobs": []}
            for text in tokens.split(spoken):
                delta = {**where, "content_index": index, "delta": text, **more}
                yield {"type": f"response.{kind}.delta", **delta}
        yield {"type": "response.output_item.done", "output_index": place, "item": entry}
    yield {"type": f"response.{value['status']}", "response": value}


def _begun(entry: Body) -> Body:
    empty: Body = {"content": []} if entry["type"] == "message" else {"arguments": ""}
    return {**entry, **empty, "status": "in_progress"}
