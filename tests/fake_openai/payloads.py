"""What goes back over HTTP: a payload, and the API's error objects as payloads."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Payload:
    """One HTTP response before anything goes wrong with it."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def json_payload(value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Payload:
    return Payload(orjson.dumps(value), status, headers or {})


def error_object(
    message: str,
    *,
    kind: str | None = "invalid_request_error",
    param: str | None = None,
    code: str | None = None,
) -> Body:
    """The API's error envelope; the official client reads `code`, `param` and `type` from inside."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


class ApiError(Exception):
    """A refusal by the API itself; endpoints raise it, the dispatcher sends it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = "invalid_request_error",
        param: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.payload = json_payload(error_object(message, kind=kind, param=param, code=code), status=status)


def missing(param: str) -> ApiError:
    return ApiError(
        400, f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter"
    )


def model_not_found(model: str) -> ApiError:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiError(404, message, code="model_not_found")


def unauthorized(authorization: str | None) -> ApiError:
    """401 as the real API words it: a wrong key is quoted with its middle starred out."""
    key = (authorization or "").removeprefix("Bearer ").strip()
    if not key:
        message = (
            "You didn't provide an API key. You need to provide your API key in an Authorization header "
            "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY)."
        )
        return ApiError(401, message)
    shown = f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
    return ApiError(401, f"Incorrect API key provided: {shown}.", code="invalid_api_key")
