"""POST /v1/chat/completions, shaped as openai.types.chat.ChatCompletion (the tests parse it with that)."""

from typing import Any

from fake_openai import tokens
from fake_openai.endpoints.base import (
    Call,
    Route,
    check_sampling,
    created,
    finish,
    require_conversation,
    require_the_word_json,
    usage,
)
from fake_openai.payloads import ApiError, Body, Payload
from fake_openai.replies import Reply


def create(call: Call) -> Payload:
    """`n` choices; `logprobs` null unless asked for; `tool_calls` only where there are some."""
    body = call.body
    model = call.script.check_model(body.get("model"))
    require_conversation(body, "messages")
    n = check_sampling(body)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise ApiError(
            400,
            "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.",
            param="top_logprobs",
        )
    require_the_word_json(body, body.get("response_format"), "messages")
    replies = call.replies(n)
    first = replies[0]
    value: Body = {
        "id": f"chatcmpl-{call.key[:29]}",
        "object": "chat.completion",
        "created": created(),
        "model": first.model or model,
        "choices": [_choice(index, reply, body, call.key) for index, reply in enumerate(replies)],
        "usage": usage(tokens.prompt_tokens(body), sum(reply.output_tokens for reply in replies), replies),
        "service_tier": "default",
        "system_fingerprint": first.system_fingerprint or call.script.system_fingerprint,
    }
    return finish(first, value)


def _choice(index: int, reply: Reply, body: Body, key: str) -> Body:
    message: Body = {
        "role": "assistant",
        "content": reply.content,
        "refusal": reply.refusal,
        "annotations": [],
    }
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": tool.id or f"call_{key[:16]}{index}{place}",
                "type": "function",
                "function": {"name": tool.name, "arguments": tool.text},
            }
            for place, tool in enumerate(reply.tool_calls)
        ]
    shown = _logprobs(reply, body.get("top_logprobs") or 0) if body.get("logprobs") else None
    return {"index": index, "message": message, "logprobs": shown, "finish_reason": reply.reason}


def _logprobs(reply: Reply, k: int) -> Body:
    return {
        "content": [token_logprob(token, value, k) for token, value in reply.token_logprobs()],
        "refusal": None,
    }


def token_logprob(token: str, value: float, k: int) -> dict[str, Any]:
    """One entry as in openai.types.chat.ChatCompletionTokenLogprob: `bytes` are the token's UTF-8."""
    return {
        **_bare(token, value),
        "top_logprobs": [_bare(*other) for other in tokens.alternatives(token, value, k)],
    }


def _bare(token: str, value: float) -> dict[str, Any]:
    return {"token": token, "logprob": value, "bytes": list(token.encode())}


ROUTES = [Route("POST", "/v1/chat/completions", create)]
