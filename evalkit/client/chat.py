"""The chat completions endpoint: bodies built and read by hand, because the client validates neither.

Checked against the types of the openai package (`openai.types.chat`). An HTML page, an empty body, an error
object with status 200, truncated JSON and a missing choice are refused here; none of them is an answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from evalkit.client.body import bad_response, choice_in, first_token_in, object_in, text_in, usage_in
from evalkit.client.parameters import Taken, tool_choice, twin_of
from evalkit.client.streaming import Assembly, Choices, longer
from evalkit.records import Message, Response


class ChatCompletions:
    """`POST /chat/completions`."""

    name = "chat.completions"
    path = "/chat/completions"
    takes = Taken(
        "chat",
        refused={
            "suffix": "add model.endpoint=completions",
            "echo": "add model.endpoint=completions",
            "best_of": "add model.endpoint=completions, or set trials",
            "max_output_tokens": "use model.params.max_completion_tokens, or add model.endpoint=responses",
        },
        logprobs=bool,
    )
    streams_with: Mapping[str, Any] = {"stream_options": {"include_usage": True}}
    takes_schema = True

    def spell(self, params: Mapping[str, Any], accepts: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the parameters as they are sent: the limit by the name that the model takes."""
        sent = {twin_of(name, accepts): value for name, value in params.items()}
        if "tool_choice" in sent:
            sent["tool_choice"] = tool_choice(sent["tool_choice"])
        return sent

    def build(
        self,
        model: str,
        messages: Sequence[Message],
        params: Mapping[str, Any],
        answer_schema: Mapping[str, Any] | None,
        tools: Sequence[Mapping[str, Any]] = (),
    ) -> dict[str, Any]:
        """Return the JSON body to send."""
        body: dict[str, Any] = {"model": model, "messages": [dict(message) for message in messages], **params}
        if tools:
            body["tools"] = [dict(tool) for tool in tools]
        if answer_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": dict(answer_schema)},
            }
        return body

    def parse(self, body: bytes, place: int = 0) -> Response:
        """Return the answer of a body's choice; RequestError of kind bad_response or content_filter."""
        data = object_in(body)
        choice = choice_in(data, body, place)
        finish_reason = text_in(choice.get("finish_reason"))
        message = choice.get("message")
        if not isinstance(message, dict):
            raise bad_response("the choice has no message", body)
        content, refusal, calls = message.get("content"), text_in(message.get("refusal")), _calls(message)
        if content is not None and not isinstance(content, str):
            raise bad_response("the message's content is not text", body)
        if content is None and not (calls or refusal or finish_reason == "length"):
            raise bad_response("the message has no content", body)
        return Response(
            text=content or "",
            finish_reason=finish_reason,
            model=text_in(data.get("model")),
            system_fingerprint=text_in(data.get("system_fingerprint")),
            usage=None if place else usage_in(data.get("usage")),
            logprobs=choice.get("logprobs"),
            tool_calls=calls,
            refusal=refusal,
            time_to_first_token=first_token_in(data),
        )

    def assembly(self) -> Assembly:
        """Return what puts a streamed answer together."""
        return Choices("chat.completion", _empty, _grow)


def _calls(message: Mapping[str, Any]) -> list[Any] | None:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) and calls else None


def _empty() -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": None}}


def _grow(choice: dict[str, Any], piece: Mapping[str, Any]) -> bool:
    """Add a chunk's delta to the choice's message."""
    delta = piece.get("delta")
    if not isinstance(delta, dict):
        return False
    said = {name: value for name, value in delta.items() if name not in {"role", "tool_calls"}}
    choice["message"] = longer(choice["message"], said)
    calls = delta.get("tool_calls")
    for place, call in enumerate(calls if isinstance(calls, list) else []):
        if isinstance(call, dict):
            _grow_call(choice["message"], call, place)
    return bool(calls) or any(isinstance(value, str) and value for value in said.values())


def _grow_call(message: dict[str, Any], piece: Mapping[str, Any], place: int) -> None:
    """Add a piece of a tool call: its id and name come first, its arguments bit by bit."""
    calls = message.setdefault("tool_calls", [])
    index = piece.get("index")
    place = min(max(index if isinstance(index, int) else place, 0), len(calls))
    if place == len(calls):
        calls.append({})
    known = calls[place]
    for name, value in piece.items():
        if isinstance(value, dict):
            known[name] = longer(known.get(name) or {}, value)
        elif name != "index" and value is not None:
            known[name] = value
