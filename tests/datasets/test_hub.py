"""Hub datasets, fetched from a stand-in of the hub on loopback by the hub's own client."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import TOKEN, FakeHub, Repo, fake_hub

from evalkit.datasets.base import Dataset, FieldMap, load
from evalkit.datasets.hub import Hub
from evalkit.errors import DatasetError

README = """---
configs:
- config_name: plain
  data_files:
  - split: train
    path: plain/train-*
  - split: test
    path: plain/test-*
- config_name: long
  data_files:
  - split: test
    path: long/*.parquet
---
Reviews.
"""


def parquet(*rows: tuple[str, int]) -> bytes:
    """A file as push_to_hub writes it: the features with the label names lie in its schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["negative", "positive"], "_type": "ClassLabel"},
    }
    table = pa.table({"text": [text for text, _ in rows], "label": [label for _, label in rows]})
    file = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})}), file
    )
    return file.getvalue()


REVIEWS = {
    "README.md": README.encode(),
    "plain/train-00000-of-00001.parquet": parquet(("t", 0)),
    "plain/test-00000-of-00002.parquet": parquet(("good", 1), ("bad", 0)),
    "plain/test-00001-of-00002.parquet": parquet(("fine", 1)),
    "long/test.parquet": parquet(("long", 1)),
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The stand-in, an empty cache and no token; the client reads its variables when it is imported."""
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    with fake_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", running.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        running.repos["acme/reviews"] = Repo(REVIEWS)
        yield running


def read(path: str = "acme/reviews", limit: int | None = None, **options: Any) -> Dataset:
    return load(Hub(path, **options), FieldMap(), limit)


def refusal(path: str = "acme/reviews", **options: Any) -> str:
    with pytest.raises(DatasetError) as caught:
        read(path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def texts(dataset: Dataset) -> list[Any]:
    return [one.input["text"] for one in dataset.samples]


def test_a_split_is_read_with_the_names_of_its_labels(hub: FakeHub) -> None:
    dataset = read(subset="plain", split="test")
    assert [dict(one.input) for one in dataset.samples] == [
        {"text": "good", "label": "positive"},
        {"text": "bad", "label": "negative"},
        {"text": "fine", "label": "positive"},
    ]
    assert [one.input["label"] for one in read(subset="plain", split="test", label_names=False).samples] == [
        1,
        0,
        1,
    ]


def test_only_the_files_of_the_split_are_fetched_and_only_once(hub: FakeHub) -> None:
    read(subset="plain", split="test")
    read(subset="plain", split="test")
    assert hub.fetched() == ["plain/test-00000-of-00002.parquet", "plain/test-00001-of-00002.parquet"]


def test_a_limit_fetches_no_further_file_than_it_must(hub: FakeHub) -> None:
    assert texts(read(subset="plain", split="test", limit=2)) == ["good", "bad"]
    assert hub.fetched() == ["plain/test-00000-of-00002.parquet"]


def test_a_branch_is_resolved_to_its_commit_and_the_user_hears_that_it_is_not_pinned(hub: FakeHub) -> None:
    dataset = read(subset="plain", split="test")
    sha = hub.repos["acme/reviews"].sha
    assert dataset.origin == {
        "hub": "acme/reviews",
        "subset": "plain",
        "split": "test",
        "revision": "main",
        "commit": sha,
        "pinned": False,
        "files": ["plain/test-00000-of-00002.parquet", "plain/test-00001-of-00002.parquet"],
    }
    (note,) = dataset.notes
    assert note == (
        f"acme/reviews: read at commit {sha}, not pinned: main may move on; dataset.revision={sha} pins it"
    )


def test_a_pinned_commit_that_was_read_before_needs_no_request(hub: FakeHub) -> None:
    sha = hub.repos["acme/reviews"].sha
    first = read(subset="plain", split="test", revision=sha)
    hub.requests.clear()
    hub.repos.clear()
    second = read(subset="plain", split="test", revision=sha)
    assert (second.fingerprint, second.origin, second.notes) == (first.fingerprint, first.origin, ())
    assert second.origin["pinned"] is True
    assert hub.requests == []


def test_another_branch_is_read(hub: FakeHub) -> None:
    """Its name has slashes, as the Parquet copies of the hub have it."""
    hub.repos["acme/reviews"] = Repo(REVIEWS, branches=("main", "refs/convert/parquet"))
    dataset = read(subset="long", revision="refs/convert/parquet")
    assert texts(dataset) == ["long"]
    assert dataset.origin["revision"] == "refs/convert/parquet"


@pytest.mark.parametrize(
    ("files", "rows"),
    [
        ({"test.csv": b"text,n\na,1\nb,2\n"}, [{"text": "a", "n": 1}, {"text": "b", "n": 2}]),
        ({"test.jsonl": b'{"text": "a", "x": [1]}\n'}, [{"text": "a", "x": [1]}]),
        ({"data/test.jsonl.gz": gzip.compress(b'{"text": "a"}\n')}, [{"text": "a"}]),
        ({"test.txt": b"a\nb\n"}, [{"text": "a"}, {"text": "b"}]),
        ({"test.json": b'[{"text": "a"}]'}, [{"text": "a"}]),
    ],
)
def test_other_formats_are_read_by_the_librarys_own_rules(hub: FakeHub, files: Any, rows: Any) -> None:
    hub.repos["acme/other"] = Repo(files)
    assert [dict(one.input) for one in read("acme/other", split="test").samples] == rows


def test_many_files_of_other_splits_cost_their_names_only(hub: FakeHub) -> None:
    """Names alone decide which file belongs to a split."""
    many = {f"train/part-{number}.jsonl": b"" for number in range(300)}
    hub.repos["acme/many"] = Repo({**many, "test/part-0.jsonl": b'{"text": "a"}\n'})
    assert texts(read("acme/many", split="test")) == ["a"]
    assert hub.fetched() == ["test/part-0.jsonl"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "acme/reviews: several subsets; set dataset.subset=plain|long"),
        (
            {"subset": "plan", "split": "test"},
            'acme/reviews: no subset "plan" (did you mean "plain"?); the subsets are plain, long',
        ),
        ({"subset": "plain"}, "acme/reviews: several splits; set dataset.split=train|test"),
        (
            {"subset": "plain", "split": "tets"},
            'acme/reviews: no split "tets" (did you mean "test"?); the splits are train, test',
        ),
        (
            {"subset": "plain", "split": "test[:10]"},
            (
                'acme/reviews: no split "test[:10]" (did you mean "test"?); the splits are train, test; '
                "dataset.limit and dataset.shuffle take a part of a split"
            ),
        ),
        (
            {"subset": "plain", "split": "test", "columns": ["txt"]},
            (
                'acme/reviews, plain/test-00000-of-00002.parquet: no column "txt" for '
                'dataset.options.columns (did you mean "text"?); the columns are text, label'
            ),
        ),
    ],
)
def test_what_the_dataset_does_not_have_is_told_with_what_it_has(
    hub: FakeHub, options: Any, message: str
) -> None:
    assert refusal(**options) == message


def test_an_unknown_revision_is_named(hub: FakeHub) -> None:
    assert refusal(revision="v9").startswith("acme/reviews: no revision v9; set dataset.revision to a commit")
    assert refusal(revision="0" * 40).startswith(f"acme/reviews: no revision {'0' * 40}; ")


def test_an_unknown_dataset_is_named(hub: FakeHub) -> None:
    assert refusal("acme/nothing") == (
        "acme/nothing: no such dataset on the hub, or a private one; correct dataset.path=OWNER/NAME, "
        "or set HF_TOKEN to a token that may read it"
    )


@pytest.mark.parametrize("path", ["a/b/c", "no such/name", "../up", "acme/x--y"])
def test_what_is_no_hub_id_is_told(hub: FakeHub, path: str) -> None:
    assert (
        refusal(path) == f"{path}: neither a folder nor a hub id; write dataset.path=OWNER/NAME, or a folder"
    )


@pytest.mark.parametrize("kind", ["gated", "private"])
def test_a_dataset_that_needs_a_token_is_read_with_it(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    files = {"test.parquet": parquet(("a", 1))}
    hub.repos["acme/closed"] = Repo(files, gated=kind == "gated", private=kind == "private")
    assert "set HF_TOKEN to a token that may read it" in refusal("acme/closed", split="test")
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    message = refusal("acme/closed", split="test")
    assert "use a token in HF_TOKEN that may read it" in message
    assert ("ask for access at" in message) is (kind == "gated")
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    dataset = read("acme/closed", split="test")
    assert texts(dataset) == ["a"]
    assert TOKEN in hub.tokens
    assert TOKEN not in repr(dataset)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"reviews.py": b"raise SystemExit", "README.md": b"x"}, "no data files that can be read"),
        ({"test/a.png": b"\x89PNG"}, "imagefolder data, not text"),
        ({"test.parquet": b"PAR1PAR1"}, "cannot be read by the datasets library"),
        ({"README.md": b"---\nconfigs: [\n---\n", "test.csv": b"a\n1\n"}, "its files cannot be made out"),
    ],
)
def test_a_dataset_that_cannot_be_read_is_told_in_one_line(hub: FakeHub, files: Any, message: str) -> None:
    hub.repos["acme/bad"] = Repo(files)
    assert message in refusal("acme/bad", split="test")


def test_a_file_name_that_leaves_the_folder_is_refused(hub: FakeHub, tmp_path: Path) -> None:
    hub.repos["acme/evil"] = Repo({"../../evil.csv": b"a\n1\n"})
    assert "which leaves its folder" in refusal("acme/evil", split="test")


class TestWithoutTheHub:
    def test_the_cached_copy_is_used_and_the_user_hears_it(self, hub: FakeHub) -> None:
        before = read(subset="plain", split="test")
        hub.broken = 503
        after = read(subset="plain", split="test")
        assert (after.fingerprint, after.origin) == (before.fingerprint, before.origin)
        assert after.notes[0] == "acme/reviews: the hub cannot be reached; the cached copy is used"

    def test_a_split_that_is_not_cached_is_refused(self, hub: FakeHub) -> None:
        """Never part of a split: the second shard is missing."""
        read(subset="plain", split="test", limit=1)
        hub.broken = 500
        assert "the hub cannot be reached (it answers 500) and no copy is cached" in refusal(
            subset="plain", split="test"
        )

    def test_nothing_cached_names_the_dataset_and_the_way_out(self, hub: FakeHub) -> None:
        hub.broken = 502
        assert refusal(split="test") == (
            "acme/reviews: the hub cannot be reached (it answers 502) and no copy is cached; "
            "give a local one (dataset.path=FOLDER with its Parquet files, or made by save_to_disk), "
            "or run once with access"
        )

    def test_too_many_requests_ask_for_patience(self, hub: FakeHub) -> None:
        hub.broken = 429
        assert refusal(split="test") == (
            "acme/reviews: the hub asks to wait (429, too many requests); try again later"
        )


class TestFolders:
    """A local copy under the same dataset config: only dataset.path changes."""

    @pytest.fixture
    def copy(self, tmp_path: Path) -> str:
        for name, body in REVIEWS.items():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "copy" / name).write_bytes(body)
        return str(tmp_path / "copy")

    def test_a_folder_gives_the_same_samples(self, hub: FakeHub, copy: str) -> None:
        remote = read(subset="plain", split="test")
        hub.requests.clear()
        local = read(copy, subset="plain", split="test")
        assert (local.fingerprint, local.samples) == (remote.fingerprint, remote.samples)
        assert local.origin["folder"] == copy
        assert hub.requests == []

    def test_a_folder_made_by_save_to_disk_is_read(self, tmp_path: Path) -> None:
        import datasets

        datasets.disable_progress_bars()
        try:
            datasets.DatasetDict(
                {name: datasets.Dataset.from_list([{"text": name}]) for name in ("train", "test")}
            ).save_to_disk(tmp_path / "saved")
        finally:
            datasets.enable_progress_bars()
        assert texts(read(str(tmp_path / "saved"), split="test")) == ["test"]

    def test_a_file_is_sent_to_its_loader(self, tmp_path: Path) -> None:
        (tmp_path / "d.jsonl").write_text("{}")
        assert "a file, and dataset=hub reads hub ids and folders" in refusal(str(tmp_path / "d.jsonl"))


def environment(tmp_path: Path, **settings: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**clean, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1", **settings}


def command(tmp_path: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own, where the hub is known by its variable alone."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "evalkit", "run", "task=sentiment", "prompt=sentiment_text"),
            *("dataset=hub", "dataset.path=acme/reviews", "dataset.subset=plain", "dataset.split=test"),
            *("dataset.input={text: text}", "dataset.target=label", "model=recorded", "model.output=label"),
            *("model.path=out.jsonl", "resamples=10", "metrics=[accuracy]", *words),
        ],
        cwd=tmp_path,
        env=environment(tmp_path, **settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_command_line_reads_the_hub_and_reports_the_commit(tmp_path: Path) -> None:
    with fake_hub() as hub:
        hub.repos["acme/reviews"] = Repo(REVIEWS)
        rows = [{"text": "good", "label": "positive"}, {"text": "bad", "label": "negative"}]
        rows.append({"text": "fine", "label": "positive"})
        (tmp_path / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        done = command(tmp_path, HF_ENDPOINT=hub.url)
        assert done.returncode == 0, done.stderr
        assert f"dataset.revision={hub.repos['acme/reviews'].sha} pins it" in done.stderr
        (path,) = tmp_path.glob("results/runs/sentiment/*/report.json")
        report = json.loads(path.read_text())
        assert report["dataset"]["origin"]["commit"] == hub.repos["acme/reviews"].sha
        assert report["metrics"]["accuracy"]["value"] == 1.0
    # The server is gone now, and the cached copy remains.
    again = command(tmp_path, HF_ENDPOINT=hub.url)
    assert again.returncode == 0, again.stderr
    assert "the hub cannot be reached; the cached copy is used" in again.stderr
    offline = command(tmp_path, "dataset.path=acme/others", HF_HUB_OFFLINE="1")
    assert offline.returncode == 2
    (line,) = offline.stderr.splitlines()
    assert line.startswith(
        "evalkit: acme/others: the hub cannot be reached (HF_HUB_OFFLINE is set) and no copy"
    )


def test_what_load_dataset_prepared_is_used_without_the_hub(tmp_path: Path) -> None:
    """The library's own cache, made by the library itself from the same stand-in."""
    prepare = "import datasets, sys; datasets.load_dataset('acme/reviews', 'plain')"
    with fake_hub() as hub:
        hub.repos["acme/reviews"] = Repo(REVIEWS)
        settings = environment(tmp_path, HF_ENDPOINT=hub.url)
        subprocess.run([sys.executable, "-c", prepare], env=settings, capture_output=True, check=True)
    rows = [{"text": text, "label": "positive"} for text in ("good", "bad", "fine")]
    (tmp_path / "out.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    script = (
        "from evalkit.datasets.base import FieldMap, load; from evalkit.datasets.hub import Hub\n"
        "dataset = load(Hub('acme/reviews', subset='plain', split='test'), FieldMap())\n"
        "print([dict(one.input) for one in dataset.samples], dataset.origin['commit'])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(tmp_path, HF_HUB_OFFLINE="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split("] ")[0] == str(
        [
            {"text": "good", "label": "positive"},
            {"text": "bad", "label": "negative"},
            {"text": "fine", "label": "positive"},
        ]
    ).rstrip("]")
    assert done.stdout.strip().endswith(Repo(REVIEWS).sha)
