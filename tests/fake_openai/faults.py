"""What can go wrong with one request: error statuses, broken connections, broken bodies, slowness."""

from collections.abc import Mapping
from dataclasses import dataclass

from fake_openai.payloads import Payload, error_object, json_payload
from fake_openai.wording import FILTERED, GATEWAY_HTML, KNOWN

# Faults of the exchange itself, and of the body of a response that is sent whole.
WIRE = ("drop_before", "drop_in_body", "slow_body", "garbage_wire")
BODY = (
    "truncated_json",
    "html_200",
    "empty_200",
    "error_200",
    "choices_null",
    "no_choices",
    "missing_message",
    "wrong_content_type",
    "garbage_bytes",
    "invalid_utf8",
)
STREAM = ("stream_cut", "stream_error")
TIMED = ("stall", "slow_body")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; make it with `Fault.status(429)`, `Fault.drop_before()`, `Fault.named("stall:0.5")`, …

    kind, and what the client meets:

    drop_before         the connection closes and no byte came
    drop_in_body        headers and half of the body, then the connection closes
    truncated_json      whole HTTP, the JSON is cut in the middle
    html_200 empty_200  a proxy's page, or nothing, as a success
    error_200           `{"error": …}` as a success
    choices_null        `"choices": null` (`output` for responses); no_choices: the empty list
    missing_message     a choice without its `message` (`text`; `content` for responses)
    wrong_content_type  good JSON called text/plain
    garbage_bytes       a JSON response whose body is noise; garbage_wire: noise instead of HTTP
    invalid_utf8        JSON with a byte that is no UTF-8
    stall               nothing for `seconds`, then the good answer
    slow_body           headers at once, the body trickling in over `seconds`
    stream_cut          half of a stream's events and a clean end; stream_error: then an error event
    """

    kind: str
    payload: Payload | None = None
    seconds: float = 0.0

    @staticmethod
    def status(
        status: int,
        *,
        retry_after: float | str | None = None,
        code: str | None = None,
        kind: str | None = None,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Fault":
        """An error response; what is not given is what the API sends with that status."""
        if status == 502 and message is None:
            return Fault("502", Payload(GATEWAY_HTML, 502, headers or {}, "text/html"))
        known = KNOWN.get(
            status, ("server_error" if status >= 500 else "invalid_request_error", None, None, "Error.")
        )
        error = error_object(
            message or known[3], kind=kind or known[0], param=known[2], code=code or known[1]
        )
        sent = dict(headers or {})
        if retry_after is not None:
            sent["retry-after"] = f"{retry_after:g}" if isinstance(retry_after, int | float) else retry_after
        return Fault(str(status), json_payload(error, status=status, headers=sent))

    @staticmethod
    def insufficient_quota() -> "Fault":
        """The 429 that no waiting cures."""
        message = "You exceeded your current quota, please check your plan and billing details."
        error = error_object(message, kind="insufficient_quota", code="insufficient_quota")
        return Fault("insufficient_quota", json_payload(error, status=429))

    @staticmethod
    def context_length_exceeded(limit: int = 8192, used: int = 9000) -> "Fault":
        message = (
            f"This model's maximum context length is {limit} tokens. However, your messages resulted in "
            f"{used} tokens. Please reduce the length of the messages."
        )
        error = error_object(message, param="messages", code="context_length_exceeded")
        return Fault("context_length_exceeded", json_payload(error, status=400))

    @staticmethod
    def content_filter() -> "Fault":
        """The prompt was refused, in Azure's words."""
        return Fault("content_filter", json_payload(FILTERED, status=400))

    @staticmethod
    def drop_before() -> "Fault":
        return Fault("drop_before")

    @staticmethod
    def drop_in_body() -> "Fault":
        return Fault("drop_in_body")

    @staticmethod
    def garbage_wire() -> "Fault":
        return Fault("garbage_wire")

    @staticmethod
    def truncated_json() -> "Fault":
        return Fault("truncated_json")

    @staticmethod
    def html_200() -> "Fault":
        return Fault("html_200")

    @staticmethod
    def empty_200() -> "Fault":
        return Fault("empty_200")

    @staticmethod
    def error_200() -> "Fault":
        return Fault("error_200")

    @staticmethod
    def choices_null() -> "Fault":
        return Fault("choices_null")

    @staticmethod
    def no_choices() -> "Fault":
        return Fault("no_choices")

    @staticmethod
    def missing_message() -> "Fault":
        return Fault("missing_message")

    @staticmethod
    def wrong_content_type() -> "Fault":
        return Fault("wrong_content_type")

    @staticmethod
    def garbage_bytes() -> "Fault":
        return Fault("garbage_bytes")

    @staticmethod
    def invalid_utf8() -> "Fault":
        return Fault("invalid_utf8")

    @staticmethod
    def stream_cut() -> "Fault":
        return Fault("stream_cut")

    @staticmethod
    def stream_error() -> "Fault":
        return Fault("stream_error")

    @staticmethod
    def stall(seconds: float = 3600.0) -> "Fault":
        return Fault("stall", seconds=seconds)

    @staticmethod
    def slow_body(seconds: float) -> "Fault":
        return Fault("slow_body", seconds=seconds)

    @staticmethod
    def named(name: str) -> "Fault":
        """A fault by its kind, as on a command line: "429", "drop_before", "stall:0.5"."""
        kind, _, seconds = name.partition(":")
        if kind.isdecimal():
            return Fault.status(int(kind))
        if kind in TIMED:
            return Fault(kind, seconds=float(seconds or 1.0))
        if kind in (*WIRE, *BODY, *STREAM):
            return Fault(kind)
        made = {
            "insufficient_quota": Fault.insufficient_quota,
            "context_length_exceeded": Fault.context_length_exceeded,
            "content_filter": Fault.content_filter,
        }
        if kind not in made:
            known = ", ".join([*made, *WIRE, *BODY, *STREAM, "stall"])
            raise ValueError(f"no fault is called {name!r}; known: a status, {known}")
        return made[kind]()
