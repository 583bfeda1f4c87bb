"""Where images may lie, what they may be, and what becomes of them in samples and fingerprints."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest
from commands import write_lines
from pictures import gif, png

from evalkit.config.build import build_task
from evalkit.config.compose import load
from evalkit.config.pictures import Pictures, pictures_of, with_pictures
from evalkit.datasets.base import Dataset
from evalkit.errors import ConfigError, DatasetError, PromptError
from evalkit.images.reference import parse
from evalkit.records import Sample


def read(value: Any, folder: Path, **options: Any) -> Any:
    """What becomes of one field of one sample."""
    dataset = Dataset("d", (Sample("one", {"image": value}, "x"),), "f" * 64)
    found = with_pictures(dataset, Pictures(("image",), **options), str(folder / "data.jsonl"))
    return found.samples[0].input["image"]


def refusal(value: Any, folder: Path, **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(value, folder, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A dataset's folder with an image in it, and one beside it."""
    inside = tmp_path / "data"
    (inside / "images").mkdir(parents=True)
    (inside / "data.jsonl").touch()
    (inside / "images" / "a.png").write_bytes(png())
    (tmp_path / "secret.png").write_bytes(png(grey=9))
    return inside


def test_a_path_starts_from_the_datasets_folder_and_keeps_its_name(folder: Path) -> None:
    told = parse(read("images/a.png", folder))
    assert told is not None
    assert (told.name, told.sha256) == ("images/a.png", hashlib.sha256(png()).hexdigest())
    assert (told.width, told.height, told.size) == (2, 1, len(png()))


def test_an_ending_says_nothing_and_the_bytes_all(folder: Path) -> None:
    (folder / "photo.png").write_bytes(gif())
    assert "image/gif" in read("photo.png", folder)
    (folder / "key.png").write_text("-----BEGIN KEY-----")
    assert "no PNG, JPEG, GIF or WebP image" in refusal("key.png", folder)


@pytest.mark.parametrize(
    "name", ["../secret.png", "images/../../secret.png", "{parent}/secret.png", "link.png"]
)
def test_a_file_outside_the_folder_is_refused_unless_allowed(name: str, folder: Path) -> None:
    (folder / "link.png").symlink_to("../secret.png")
    name = name.format(parent=folder.parent)
    assert "lies outside the dataset's folder" in refusal(name, folder)
    assert hashlib.sha256(png(grey=9)).hexdigest() in read(name, folder, outside=True)


def test_an_absolute_path_inside_the_folder_is_inside(folder: Path) -> None:
    assert parse(read(str(folder / "images" / "a.png"), folder)) is not None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("images/b.png", "there is no file"),
        ("images", "there is no file"),
        ("a\0b.png", "null"),
        ("x" * 5000, "cannot be read"),
        ("", "an image is a path, an http(s) URL or a data URL; got "),
        (3, "got 3"),
        ({"bytes": None}, "got {'bytes': None}"),
        ("data:image/png;base64", "a data URL without data"),
        ("data:image/png;base64,@@@", "base64"),
        ("data:image/png;base64,AAAA", "no PNG, JPEG, GIF or WebP image"),
        (
            f"a (image/png, 1x1, 5 bytes, sha256:{'0' * 64})",
            "is told by reference, and the image is not here",
        ),
    ],
)
def test_what_is_no_image_is_refused_by_sample_and_field(value: Any, said: str, folder: Path) -> None:
    found = refusal(value, folder)
    assert found.startswith('sample "one", image: ')
    assert said.lower() in found.lower()
    assert len(found) < 400


def test_a_data_url_becomes_a_reference_whatever_it_says_it_is(folder: Path) -> None:
    for head in ("data:image/jpeg;base64,", "data:;base64,"):
        told = read(head + base64.b64encode(png(grey=5)).decode(), folder)
        assert (
            told == f"(image/png, 2x1, {len(png())} bytes, sha256:{hashlib.sha256(png(grey=5)).hexdigest()})"
        )


def test_a_url_is_left_to_the_server_or_refused(folder: Path) -> None:
    assert read("https://example.com/a.png", folder) == "https://example.com/a.png"
    assert "is a URL, and prompt.images.urls=refuse" in refusal(
        "https://example.com/a.png", folder, urls="refuse"
    )


def test_too_large_an_image_is_refused(folder: Path) -> None:
    assert f"an image of {len(png())} bytes, and at most 10 are sent" in refusal(
        "images/a.png", folder, most_bytes=10
    )


def test_lists_and_nulls_are_read_one_by_one(folder: Path) -> None:
    found = read(["images/a.png", None, "https://example.com/b.png"], folder)
    assert [parse(one) is not None for one in found] == [True, False, False]
    assert read(None, folder) is None


def test_another_image_under_the_same_name_is_other_data(folder: Path) -> None:
    path = write_lines(
        folder / "data.jsonl", {"id": "1", "question": "?", "image": "images/a.png", "answer": "x"}
    )
    words = ["task=vision", "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer"]
    words.append("dataset.input={question: question, image: image}")
    before = build_task(load(words)).dataset
    same = build_task(load(words)).dataset
    (folder / "images" / "a.png").write_bytes(png(grey=1))
    after = build_task(load(words)).dataset
    assert before.fingerprint == same.fingerprint != after.fingerprint
    assert before.samples[0].hash == same.samples[0].hash != after.samples[0].hash


@pytest.mark.parametrize(
    ("setting", "wanted"),
    [
        ("image", Pictures(("image",))),
        (["a", "b"], Pictures(("a", "b"))),
        ({"field": "a", "detail": "low", "urls": "refuse"}, Pictures(("a",), "low", "refuse")),
        ({"field": ["a"], "outside": True, "most_bytes": 5}, Pictures(("a",), outside=True, most_bytes=5)),
    ],
)
def test_the_setting_names_fields_and_what_is_allowed(setting: Any, wanted: Pictures) -> None:
    assert pictures_of(setting) == wanted


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (3, "name the field with images"),
        ([], "name the field with images"),
        ({"detail": "low"}, "name the field with images"),
        (
            {"field": "a", "details": "low"},
            r'prompt\.images\.details: no such option \(did you mean "detail"\?\)',
        ),
        ({"field": "a", "detail": "tiny"}, "detail=tiny: must be one of None, low, high, auto, original"),
        ({"field": "a", "urls": "no"}, "urls=no: must be one of keep, refuse"),
        ({"field": "a", "outside": "yes"}, "must be true or false"),
        ({"field": "a", "most_bytes": True}, "must be a number of bytes"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(setting: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pictures_of(setting)


def test_a_field_that_is_not_there_is_named_by_the_prompt(folder: Path) -> None:
    path = write_lines(folder / "data.jsonl", {"id": "1", "question": "?", "answer": "x"})
    task = build_task(
        load(["task=vision", "dataset=jsonl", f"dataset.path={path}", "dataset.target=answer",
              "dataset.input.question=question"])
    )  # fmt: skip
    with pytest.raises(PromptError, match=r"prompt\.images=image, and the sample has question: map it with"):
        task.prompt.ask(task.dataset.samples[0])


def test_examples_cannot_show_images() -> None:
    with pytest.raises(ConfigError, match=r"fewshot\.k=2: examples cannot show images; set fewshot\.k=0"):
        build_task(load(["task=vision", "fewshot.k=2"]))
