"""What the API, its gateway and Azure say with each error status."""

from fake_openai.payloads import Body

# status: (type, code, param, message), as the API words them; 529 is what compatible gateways send.
KNOWN: dict[int, tuple[str | None, str | None, str | None, str]] = {
    400: ("invalid_request_error", None, None, "Invalid request."),
    401: ("invalid_request_error", "invalid_api_key", None, "Incorrect API key provided."),
    403: ("request_forbidden", "unsupported_country_region_territory", None, "Country not supported."),
    404: ("invalid_request_error", "model_not_found", None, "The model does not exist."),
    408: ("timeout", None, None, "Request timed out."),
    409: ("invalid_request_error", None, None, "The resource was changed by another request."),
    422: ("invalid_request_error", None, None, "The request could not be processed."),
    429: ("requests", "rate_limit_exceeded", None, "Rate limit reached. Please try again later."),
    500: (
        "server_error",
        None,
        None,
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: ("server_error", None, None, "The engine is currently overloaded, please try again later."),
    529: ("overloaded_error", None, None, "Overloaded."),
}
GATEWAY_HTML = b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>"
FILTERED: Body = {
    "error": {
        "message": (
            "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."
        ),
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
        },
    }
}
