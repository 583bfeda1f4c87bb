"""How many tokens a request takes, counted on this machine and without asking anybody.

With the vocabulary of OpenAI's models at hand their texts are counted exactly: by `toktok`, which ships it,
or by `tiktoken` where that has it in its cache (it would fetch it otherwise). For any other model the number
of bytes is what is known: no byte-level vocabulary makes more tokens of a text than it has bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evalkit.records import Request

if TYPE_CHECKING:
    from evalkit.images.reference import Reference

O200K, CL100K = "o200k_base", "cl100k_base"
TIKTOKEN_URL = "https://openaipublic.blob.core.windows.net/encodings"
SHA256 = {
    O200K: "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    CL100K: "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
"""Of the vocabularies as OpenAI publishes them."""
# As tiktoken names them; a provider's and a fine-tuning prefix may stand before, a date or a size behind.
ENCODINGS = (
    (re.compile(r"(chatgpt-4o|gpt-4o|gpt-4\.\d+|gpt-[5-9](\.\d+)?|o[1-9])(?=$|[-:@])"), O200K),
    (re.compile(r"(gpt-4|gpt-3\.5|gpt-35)(?=$|[-:@])"), CL100K),
)
# What stands around each message is published for these (OpenAI Cookbook, "How to count tokens with
# tiktoken"): three tokens a message, one for a name, three that begin the answer. Reasoning models differ.
PUBLISHED = re.compile(r"(chatgpt-4o|gpt-4o|gpt-4(\.1)?|gpt-3\.5|gpt-35)(?=$|[-:@])")
PER_MESSAGE, PER_NAME, PER_REPLY = 3, 1, 3
LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
"""The names that endpoints have for the most tokens of one answer."""
DESCRIBED = ("response_format", "text", "tools", "functions")
"""What the server writes into the prompt in a form of its own."""

BYTES_PER_TOKEN = 4  # English prose; what a plan counts by where the vocabulary is unknown
# Most that a chat template may add: to a message, and to a request (a system prompt that nobody asked for).
TEMPLATE_MESSAGE, TEMPLATE_REQUEST = 16, 64

EXACT, ABOUT, ESTIMATED = "exact", "about", "estimated"
"""How prompts are counted: to the token; but for what the server adds; from their bytes."""

Counter = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Prompt tokens request by request: likely ones, an upper bound, how they were counted, and by what."""

    likely: Sequence[int]
    most: Sequence[int]
    how: str
    encoding: str | None


def estimate(request: Request) -> tuple[int, int]:
    """Return the most prompt tokens of a request, and the most completion tokens of all its choices.

    The second is 0 where the request sets no limit to its answers.
    """
    return prompts([request]).most[0], answer_limit(request.body) * written(request)


def written(request: Request) -> int:
    """Return how many answers the model writes: of `best_of` only `n` come back, and all are paid for."""
    best_of = request.body.get("best_of")
    return max(request.choices, best_of) if isinstance(best_of, int) else request.choices


def answer_limit(body: Mapping[str, Any]) -> int:
    """Return the most tokens that one answer may have; 0 where nothing limits it."""
    limits = [body[name] for name in LIMITS if isinstance(body.get(name), int)]
    return min(limits, default=0)


def prompts(requests: Sequence[Request]) -> Prompts:
    """Count the prompts of requests to one model."""
    model = _model_of(requests)
    count = _counter_for(model)
    if count is None:
        return _by_bytes(requests)
    published = PUBLISHED.match(_bare(model)) is not None
    images = [_images(one.body) for one in requests]
    plain = [
        published and "messages" in one.body and not _described(one.body) and not some
        for one, some in zip(requests, images, strict=True)
    ]
    likely = _by_vocabulary(requests, count)
    # Around a schema or tools the server may write as much again.
    again = [
        0 if certain else _sum(count, _described(one.body))
        for certain, one in zip(plain, requests, strict=True)
    ]
    most = [
        tokens + (0 if certain else TEMPLATE_REQUEST + more)
        for tokens, certain, more in zip(likely, plain, again, strict=True)
    ]
    likely, most = _with_images(likely, images, model), _with_images(most, images, model, surely=True)
    return Prompts(likely, most, EXACT if all(plain) else ABOUT, encoding_of(model))


def text_tokens(texts: Sequence[str], model: str) -> list[int]:
    """Count texts as a model's answers would be; from their bytes where its vocabulary is unknown."""
    count = _counter_for(model)
    return [_likely(_size(text)) for text in texts] if count is None else count(texts)


def encoding_of(model: str) -> str | None:
    """Return the name of the vocabulary that a model reads by; None for models that are not OpenAI's."""
    return next((name for pattern, name in ENCODINGS if pattern.match(_bare(model))), None)


@cache
def counter(encoding: str) -> Counter | None:
    """Return what counts by a vocabulary, special tokens as plain text; None where it is not at hand."""
    try:
        from toktok import batch_count
    except ImportError:
        return _tiktoken(encoding)
    return lambda texts: batch_count([_spelled(text) for text in texts], encoding)


def _tiktoken(encoding: str) -> Counter | None:
    """Only with the file in its cache, whole: tiktoken would fetch it otherwise."""
    name = hashlib.sha1(f"{TIKTOKEN_URL}/{encoding}.tiktoken".encode()).hexdigest()  # noqa: S324 - as it names files
    usual = Path(tempfile.gettempdir(), "data-gym-cache")
    folder = os.environ.get("TIKTOKEN_CACHE_DIR") or os.environ.get("DATA_GYM_CACHE_DIR") or usual
    try:
        found = hashlib.sha256(Path(folder, name).read_bytes()).hexdigest()
        import tiktoken
    except (OSError, ImportError):
        return None
    if found != SHA256[encoding]:
        return None
    encode = tiktoken.get_encoding(encoding).encode_ordinary
    return lambda texts: [len(encode(_spelled(text))) for text in texts]


def _counter_for(model: str) -> Counter | None:
    encoding = encoding_of(model)
    return None if encoding is None else counter(encoding)


def _by_vocabulary(requests: Sequence[Request], count: Counter) -> list[int]:
    """All texts at once: that is what counters are quick at."""
    texts: list[str] = []
    ends = []
    for one in requests:
        texts += [*_texts(one.body), *_described(one.body)]
        ends.append(len(texts))
    counts = count(texts)
    starts = [0, *ends[:-1]]
    return [
        sum(counts[start:end]) + _around(_messages(one.body))
        for start, end, one in zip(starts, ends, requests, strict=True)
    ]


def _around(messages: Sequence[Mapping[str, Any]]) -> int:
    named = sum("name" in message for message in messages)
    return PER_MESSAGE * len(messages) + PER_NAME * named + PER_REPLY


def _by_bytes(requests: Sequence[Request]) -> Prompts:
    sizes = [sum(map(_size, (*_texts(one.body), *_described(one.body)))) for one in requests]
    most = [
        size + TEMPLATE_MESSAGE * len(_messages(one.body)) + TEMPLATE_REQUEST
        for size, one in zip(sizes, requests, strict=True)
    ]
    images, model = [_images(one.body) for one in requests], _model_of(requests)
    likely = _with_images([_likely(size) for size in sizes], images, model)
    return Prompts(likely, _with_images(most, images, model, surely=True), ESTIMATED, None)


def _with_images(
    counts: list[int], images: Sequence[Sequence[Mapping[str, Any]]], model: str, *, surely: bool = False
) -> list[int]:
    """Add what each request's images take, at most where `surely`."""
    if not any(images):
        return counts
    from evalkit.images.rules import most_tokens, usual_tokens

    rule = most_tokens if surely else usual_tokens
    return [
        tokens + sum(rule(*_image(one, model)) for one in some)
        for tokens, some in zip(counts, images, strict=True)
    ]


def _images(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the parts of messages that are images: their addresses are no text."""
    contents = (message.get("content") for message in _messages(body))
    return [part for some in contents if isinstance(some, list) for part in some if _is_image(part)]


def _is_image(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in {"image_url", "input_image"}


def _image(part: Mapping[str, Any], model: str) -> tuple[Reference | None, str, str | None]:
    """Return what a rule counts by; no reference where the size is not known (a URL)."""
    from evalkit.images.reference import parse

    image = part.get("image_url")
    nested = image if isinstance(image, Mapping) else {"url": image, "detail": part.get("detail")}
    return parse(nested.get("url")), model, nested.get("detail")


def _texts(body: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the model reads: each message's role, content and the rest; else the prompt or input."""
    for message in _messages(body):
        for value in message.values():
            yield from _strings(value)
    for name in ("prompt", "instructions"):
        if name in body:
            yield from _strings(body[name])


def _strings(value: Any) -> Iterator[str]:
    """Yield texts as they are, parts of a message's content one by one, anything else as JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for part in value:
            if _is_image(part):
                continue
            text = part.get("text") if isinstance(part, Mapping) else part
            yield text if isinstance(text, str) else json.dumps(part)
    elif value is not None:
        yield json.dumps(value)


def _messages(body: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """Return the messages, or the input items of Responses; a bare text is one message."""
    found: str | Sequence[Mapping[str, Any]] = body.get("messages") or body.get("input") or ()
    return [{"content": found}] if isinstance(found, str) else found


def _described(body: Mapping[str, Any]) -> list[str]:
    return [json.dumps(body[name]) for name in DESCRIBED if body.get(name)]


def _model_of(requests: Sequence[Request]) -> str:
    return str(requests[0].body.get("model", "")) if requests else ""


def _bare(model: str) -> str:
    """Return a model's name without a gateway's word for OpenAI and the mark of fine-tuning."""
    return model.removeprefix("openai/").removeprefix("ft:")


def _sum(count: Counter, texts: Sequence[str]) -> int:
    return sum(count(texts)) if texts else 0


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _likely(size: int) -> int:
    return -(-size // BYTES_PER_TOKEN)


def _spelled(text: str) -> str:
    """Return the text without lone surrogates, which have no UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
