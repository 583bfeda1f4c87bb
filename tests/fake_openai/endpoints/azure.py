"""Azure OpenAI in front of chat completions: its two addresses, its api-version, its content-filter results.

Shapes as in Azure's reference for chat completions: `prompt_filter_results` beside the choices and
`content_filter_results` in each of them.
"""

from typing import Any

import orjson

from fake_openai.endpoints import chat
from fake_openai.endpoints.base import Call, Route
from fake_openai.payloads import ApiError, Payload

_SAFE: dict[str, Any] = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}


def is_azure(path: str) -> bool:
    return path.startswith("/openai/")


def create(call: Call) -> Payload:
    """The v1 API: the body names the deployment."""
    return _filtered(chat.create(call))


def create_dated(call: Call) -> Payload:
    """The API of dated versions: without one, Azure knows no such resource."""
    if not (call.query or {}).get("api-version"):
        raise ApiError(404, "Resource not found", kind=None, code="404")
    return _filtered(chat.create(call))


def _filtered(payload: Payload) -> Payload:
    value = orjson.loads(payload.body)
    value["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": _SAFE}]
    for choice in value["choices"]:
        choice["content_filter_results"] = _SAFE
    return Payload(orjson.dumps(value), payload.status, payload.headers)


ROUTES = [
    Route("POST", "/openai/v1/chat/completions", create),
    Route("POST", "/openai/deployments/{id}/chat/completions", create_dated),
]
