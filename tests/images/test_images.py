"""Images by their bytes: kind and size, references, the store, and what is sent in the end."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import gif, jpeg, png, webp

from evalkit.errors import DatasetError
from evalkit.images.kinds import Facts, facts_of
from evalkit.images.reference import Reference, parse, shown
from evalkit.images.sending import sent
from evalkit.images.store import MOST_BYTES, Store, keep, keep_file


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (png(300, 70000), Facts("png", 300, 70000)),
        (gif(3, 2), Facts("gif", 3, 2)),
        (gif().replace(b"89a", b"87a"), Facts("gif", 3, 2)),
        (jpeg(5, 4), Facts("jpeg", 5, 4)),
        (webp(b"VP8 "), Facts("webp", 7, 6)),
        (webp(b"VP8L"), Facts("webp", 7, 6)),
        (webp(b"VP8X", 16000, 9000), Facts("webp", 16000, 9000)),
    ],
)
def test_kind_and_size_are_read_from_the_bytes(content: bytes, facts: Facts) -> None:
    assert facts_of(content) == facts


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"%PDF-1.7",
        b"<svg/>",
        b"BM6",
        b"RIFF\0\0\0\0WAVE",
        b"\x89PN",
        b"#!/bin/sh",
        b"-----BEGIN KEY-----",
    ],
)
def test_what_is_no_image_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match="no PNG, JPEG, GIF or WebP image"):
        facts_of(content)


@pytest.mark.parametrize("whole", [png(), gif(), jpeg(), *(webp(one) for one in (b"VP8 ", b"VP8L", b"VP8X"))])
def test_a_cut_image_is_refused_wherever_it_is_cut(whole: bytes) -> None:
    sized = next(cut for cut in range(len(whole) + 1) if not _refused(whole[:cut]))
    assert all(_refused(whole[:cut]) for cut in range(sized))


def _refused(content: bytes) -> bool:
    try:
        facts_of(content)
    except ValueError:
        return True
    return False


@given(
    st.binary(max_size=60),
    st.sampled_from([b"\xff\xd8\xff", b"RIFF1234WEBP", b"GIF89a", b"\x89PNG\r\n\x1a\n", b""]),
)
def test_no_bytes_break_the_reader(rest: bytes, start: bytes) -> None:
    _refused(start + rest)


def test_an_image_of_no_size_is_refused() -> None:
    with pytest.raises(ValueError, match="a damaged GIF image: it has no size"):
        facts_of(gif(0, 2))


REFERENCE = Reference("png", 640, 480, 1234, "ab" * 32, "charts/one (2).png")


def test_a_reference_reads_back_from_its_text() -> None:
    assert str(REFERENCE) == f"charts/one (2).png (image/png, 640x480, 1234 bytes, sha256:{'ab' * 32})"
    assert parse(str(REFERENCE)) == REFERENCE
    assert parse(str(REFERENCE.nameless)) == REFERENCE.nameless
    assert str(REFERENCE.nameless).startswith("(image/png")


@pytest.mark.parametrize("value", ["", "a.png", f"{REFERENCE}.", str(REFERENCE)[:-2], None, 3, ["x"]])
def test_anything_else_is_no_reference(value: Any) -> None:
    assert parse(value) is None


def test_a_part_is_shown_by_its_reference_and_no_base64() -> None:
    data = "data:image/png;base64," + "A" * 10_000
    content = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": str(REFERENCE.nameless)}},
        {"type": "input_image", "image_url": data},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "file", "file": {"file_id": "x"}},
    ]
    lines = shown(content).splitlines()
    assert lines[0] == "What is it?"
    assert lines[1] == f"[image {REFERENCE.nameless}]"
    assert lines[2] == "[image data:image/png;base64,AAAAAAAAAA… 10022 characters]"
    assert lines[3] == "[image https://example.com/a.png]"
    assert shown("text") == "text"
    assert shown(None) is None


def test_bytes_are_kept_for_the_process_and_gone_with_the_store() -> None:
    store = Store()
    reference = store.keep(png(grey=9), "a.png")
    assert reference == store.keep(png(grey=9), "a.png")
    assert store.load(reference) == png(grey=9)
    folder = next(iter(store._files.values())).parent
    del store
    assert not folder.exists()


def test_a_file_is_read_when_it_is_sent_and_held_to_its_hash(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(grey=1))
    store = Store()
    reference = store.keep_file(path, "a.png")
    path.write_bytes(png(grey=2))
    with pytest.raises(DatasetError, match="has changed since the run began; run again"):
        store.load(reference)
    path.unlink()
    with pytest.raises(DatasetError, match="cannot be read any more"):
        store.load(reference)
    with pytest.raises(DatasetError, match="is not of this run's data"):
        store.load(REFERENCE)


def test_the_size_is_limited_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png() + bytes(1000))
    with pytest.raises(ValueError, match=re.escape("and at most 500 are sent; make it smaller")):
        keep_file(path, most=500)
    with pytest.raises(ValueError, match="at most 500"):
        keep(png() + bytes(1000), most=500)
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match="an image of 20,971,521 bytes, and at most 20,971,520 are sent"):
        keep_file(path)


def test_what_is_sent_has_the_bytes_where_an_address_stands_and_nowhere_else() -> None:
    content = png(grey=7)
    told = str(keep(content).nameless)
    url = "data:image/png;base64," + base64.b64encode(content).decode()
    chat = {
        "model": "m",
        "messages": [
            {"role": "system", "content": told},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": told},
                    {"type": "image_url", "image_url": {"url": told, "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                ],
            },
        ],
    }
    found = sent(chat)
    assert found["messages"][0] == chat["messages"][0]
    assert found["messages"][1]["content"] == [
        {"type": "text", "text": told},
        {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    responses = {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": told}]}]}
    assert sent(responses)["input"][0]["content"][0]["image_url"] == url
    assert sent({"prompt": told, "input": told}) == {"prompt": told, "input": told}
    assert hashlib.sha256(content).hexdigest() in told
