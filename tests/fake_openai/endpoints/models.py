"""GET /v1/models and /v1/models/{id}, shaped as openai.types.Model."""

from urllib.parse import unquote

from fake_openai.endpoints.base import DEFAULT_MODELS, Call, Route
from fake_openai.payloads import Body, Payload, json_payload


def _model(name: str) -> Body:
    return {"id": name, "object": "model", "created": 1_686_935_002, "owned_by": "openai"}


def list_all(call: Call) -> Payload:
    """The known names, or a few usual ones where any is accepted."""
    names = DEFAULT_MODELS if call.script.models is None else sorted(call.script.models)
    return json_payload({"object": "list", "data": [_model(name) for name in names]})


def retrieve(call: Call) -> Payload:
    return json_payload(_model(call.script.check_model(unquote(call.path.removeprefix("/v1/models/")))))


ROUTES = [Route("GET", "/v1/models", list_all), Route("GET", "/v1/models/{id}", retrieve)]
