"""POST /v1/responses, shaped as openai.types.responses.Response (the tests parse it with that)."""

from fake_openai import tokens
from fake_openai.endpoints.base import (
    Call,
    Route,
    check_sampling,
    created,
    finish,
    require_conversation,
    require_the_word_json,
)
from fake_openai.endpoints.chat import token_logprob
from fake_openai.payloads import ApiError, Body, Payload
from fake_openai.replies import Reply

# What the real object says of each parameter that the request left out.
_ECHOED: Body = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "service_tier": "default",
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
# What chat takes and this endpoint does not know.
_UNKNOWN = (
    *("max_tokens", "max_completion_tokens", "n", "stop", "seed", "logprobs"),
    *(
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "response_format",
        "reasoning_effort",
        "verbosity",
    ),
)
# The `incomplete_details` of each finish reason that chat would give.
_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def create(call: Call) -> Payload:
    """One message or some function calls; a cut text makes the response `incomplete`, not an error."""
    body = call.body
    model = call.script.check_model(body.get("model"))
    for name in _UNKNOWN:
        if name in body:
            raise ApiError(400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter")
    require_conversation(body, "input")
    check_sampling(body)
    require_the_word_json(body, (body.get("text") or {}).get("format"), "input")
    reply = call.replies(1)[0]
    reason = _INCOMPLETE.get(reply.finish_reason)
    now = created()
    value: Body = {
        "id": f"resp_{call.key}",
        "object": "response",
        "created_at": now,
        "completed_at": None if reason else now,
        "status": "incomplete" if reason else "completed",
        "error": None,
        "incomplete_details": {"reason": reason} if reason else None,
        "model": reply.model or model,
        "output": _output(reply, body, call.key, "incomplete" if reason else "completed"),
        "reasoning": body.get("reasoning") or {"effort": None, "summary": None},
        "usage": _usage(tokens.prompt_tokens(body), reply),
        **{name: default if body.get(name) is None else body[name] for name, default in _ECHOED.items()},
    }
    return finish(reply, value)


def _output(reply: Reply, body: Body, key: str, status: str) -> list[Body]:
    calls: list[Body] = [
        {
            "id": f"fc_{key}{place}",
            "type": "function_call",
            "status": "completed",
            "call_id": tool.id or f"call_{key[:16]}{place}",
            "name": tool.name,
            "arguments": tool.text,
        }
        for place, tool in enumerate(reply.tool_calls)
    ]
    content: list[Body] = []
    if reply.content is not None:
        k = body.get("top_logprobs") or 0
        wanted = "message.output_text.logprobs" in (body.get("include") or [])
        scored = [token_logprob(token, value, k) for token, value in reply.token_logprobs()] if wanted else []
        content.append({"type": "output_text", "text": reply.content, "annotations": [], "logprobs": scored})
    if reply.refusal is not None:
        content.append({"type": "refusal", "refusal": reply.refusal})
    message: Body = {
        "id": f"msg_{key}",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }
    return ([message] if content else []) + calls


def _usage(prompt: int, reply: Reply) -> Body:
    """Checked against openai.types.responses.ResponseUsage."""
    completion = reply.output_tokens
    counted: Body = {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": prompt + completion,
    }
    return counted | dict(reply.usage or {})


ROUTES = [Route("POST", "/v1/responses", create)]
