"""The broken bodies: what a fault makes of the good answer."""

from typing import Any

import orjson

from fake_openai.faults import Fault
from fake_openai.payloads import Payload, error_object

# Bodies of the faults that do not depend on the good answer.
_BROKEN: dict[str, tuple[bytes, str]] = {
    "html_200": (b"<!doctype html><html><body>Sign in to continue</body></html>", "text/html"),
    "empty_200": (b"", "application/json"),
    "error_200": (orjson.dumps(error_object("Upstream failed.", kind="server_error")), "application/json"),
    "garbage_bytes": (bytes((7 * i + 131) % 256 for i in range(256)), "application/json"),
}


def spoil(fault: Fault, good: Payload) -> Payload:
    """The payload that the client meets instead of the good one; wire faults leave it whole."""
    if fault.kind in _BROKEN:
        body, content_type = _BROKEN[fault.kind]
        return Payload(body, 200, good.headers, content_type)
    if fault.kind == "truncated_json":
        return Payload(good.body[: len(good.body) // 2], good.status, good.headers)
    if fault.kind == "wrong_content_type":
        return Payload(good.body, good.status, good.headers, "text/plain; charset=utf-8")
    if fault.kind == "invalid_utf8":
        return Payload(good.body.replace(b'"', b'"\xff', 1), good.status, good.headers)
    if fault.kind in ("choices_null", "no_choices", "missing_message"):
        return Payload(
            orjson.dumps(_reshaped(fault.kind, orjson.loads(good.body))), good.status, good.headers
        )
    return good


def _reshaped(kind: str, answer: Any) -> Any:
    where = "output" if "output" in answer else "choices"
    if kind == "missing_message":
        for choice in answer.get(where) or []:
            for name in ("message", "text", "content"):
                choice.pop(name, None)
    else:
        answer[where] = None if kind == "choices_null" else []
    return answer
