"""Azure OpenAI in front of the endpoints: its addresses, its api-version, its content-filter results.

Shapes as in Azure's reference for chat completions: `prompt_filter_results` beside the choices and
`content_filter_results` in each of them. Of dated versions all but responses lie below a deployment.
"""

from typing import Any

import orjson

from fake_openai.endpoints import chat, completions, responses
from fake_openai.endpoints.base import Call, Endpoint, Route
from fake_openai.payloads import ApiError, Payload

_SAFE: dict[str, Any] = {
    "hate": {"filtered": False, "severity": "safe"},
    "self_harm": {"filtered": False, "severity": "safe"},
    "sexual": {"filtered": False, "severity": "safe"},
    "violence": {"filtered": False, "severity": "safe"},
}


def is_azure(path: str) -> bool:
    return path.startswith("/openai/")


def _v1(create: Endpoint) -> Endpoint:
    """The v1 API: the body names the deployment."""
    return lambda call: _filtered(create(call))


def _dated(create: Endpoint) -> Endpoint:
    """The API of dated versions: without one, Azure knows no such resource."""

    def answer(call: Call) -> Payload:
        if not (call.query or {}).get("api-version"):
            raise ApiError(404, "Resource not found", kind=None, code="404")
        return _filtered(create(call))

    return answer


def _filtered(payload: Payload) -> Payload:
    value = orjson.loads(payload.body)
    if "choices" not in value:
        return payload
    value["prompt_filter_results"] = [{"prompt_index": 0, "content_filter_results": _SAFE}]
    for choice in value["choices"]:
        choice["content_filter_results"] = _SAFE
    return Payload(orjson.dumps(value), payload.status, payload.headers)


_FAMILIES = {
    "/chat/completions": chat.create,
    "/completions": completions.create,
    "/responses": responses.create,
}
ROUTES = [
    *(Route("POST", f"/openai/v1{path}", _v1(create)) for path, create in _FAMILIES.items()),
    Route("POST", "/openai/deployments/{id}/chat/completions", _dated(chat.create)),
    Route("POST", "/openai/deployments/{id}/completions", _dated(completions.create)),
    Route("POST", "/openai/responses", _dated(responses.create)),
]
