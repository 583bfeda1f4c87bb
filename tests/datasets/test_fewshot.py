from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import Commands, asking, evalkit, server, write_lines
from hypothesis import given
from hypothesis import strategies as st

from evalkit.datasets.base import Dataset
from evalkit.datasets.fewshot import Shots, choose
from evalkit.errors import ConfigError, DatasetError
from evalkit.records import Sample

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI

__all__ = ["evalkit", "server"]

LABELS = ("positive", "negative", "neutral")


def pool_of(*samples: Sample) -> Dataset:
    return Dataset("pool", samples, "0" * 64)


def numbered(n: int, prefix: str = "p") -> list[Sample]:
    return [Sample(f"{prefix}{i}", {"text": f"{prefix} text {i}"}, LABELS[i % 3]) for i in range(n)]


def text_of(sample: Sample) -> str:
    return str(sample.input["text"])


def ids(pool: Dataset, shots: Shots, evaluated: list[Sample] | None = None) -> list[str]:
    return [one.id for one in choose(pool, evaluated or [], text_of, shots)]


@pytest.mark.parametrize(("seed", "order"), [(0, ["p0", "p2", "p1", "p3"]), (7, ["p1", "p0", "p2", "p3"])])
def test_the_order_is_sha256_of_seed_and_id(seed: int, order: list[str]) -> None:
    """`for i in p0 p1 p2 p3; do printf "$seed|$i" | sha256sum; done`: 44906da0, 9b65d3b4, 6a15b55b, bb19c6c1
    for seed 0 and 7998c5db, 2488ded4, aed5953d, cc4a01c8 for seed 7.
    """
    assert ids(pool_of(*numbered(4)), Shots(4, seed)) == order


@given(st.permutations(numbered(12)), st.integers(1, 11), st.integers(0, 5))
def test_row_order_does_not_matter_and_a_larger_k_only_adds(rows: list[Sample], k: int, seed: int) -> None:
    few = ids(pool_of(*rows), Shots(k, seed))
    assert few == ids(pool_of(*numbered(12)), Shots(k, seed))
    assert ids(pool_of(*rows), Shots(k + 1, seed))[:k] == few


def test_another_seed_chooses_others() -> None:
    pool = pool_of(*numbered(100))
    chosen = [tuple(ids(pool, Shots(3, seed))) for seed in range(20)]
    assert len(set(chosen)) == 20


@given(st.sets(st.integers(0, 9), max_size=9), st.integers(0, 3))
def test_what_is_evaluated_is_no_example_whatever_its_id(evaluated: set[int], seed: int) -> None:
    others = [Sample(f"other {i}", {"text": f" P  TEXT\n{i}"}, "") for i in evaluated]
    pool = pool_of(*numbered(10))
    left = 10 - len(evaluated)
    if left:
        chosen = ids(pool, Shots(left, seed), others)
        assert sorted(chosen) == sorted(f"p{i}" for i in range(10) if i not in evaluated)
    with pytest.raises(DatasetError, match=rf"only {left} of 10 rows can serve: {len(evaluated)} ask"):
        ids(pool, Shots(left + 1, seed), others)


def test_a_question_that_the_pool_holds_twice_is_shown_once() -> None:
    twice = pool_of(*(Sample(f"p{i}", {"text": "same"}, "a") for i in range(5)))
    with pytest.raises(DatasetError, match="only 1 of 5 rows can serve: 4 ask"):
        ids(twice, Shots(2))


@given(st.integers(1, 5), st.integers(0, 9))
def test_balanced_takes_as_many_of_each_label(each: int, seed: int) -> None:
    pool = pool_of(*numbered(40))
    chosen = choose(pool, [], text_of, Shots(3 * each, seed, balanced=True))
    counts = [sum(one.target == label for one in chosen) for label in LABELS]
    assert counts == [each] * 3
    plain = [one for one in ids(pool, Shots(40, seed)) if one in {sample.id for sample in chosen}]
    assert [one.id for one in chosen] == plain


@pytest.mark.parametrize("k", [1, 2, 4, 10])
def test_balanced_refuses_a_k_that_labels_cannot_share(k: int) -> None:
    with pytest.raises(ConfigError, match=r"by the 3 labels of pool \(negative, neutral, positive\)"):
        ids(pool_of(*numbered(30)), Shots(k, balanced=True))


@pytest.mark.parametrize("target", [None, ["a", "b"], {"a": 1}])
def test_balanced_needs_a_label(target: Any) -> None:
    with pytest.raises(ConfigError, match='sample "x" of pool has no single label'):
        ids(pool_of(Sample("x", {"text": "a"}, target)), Shots(1, balanced=True))


def test_balanced_says_which_label_is_too_rare() -> None:
    rare = pool_of(*numbered(4))
    with pytest.raises(DatasetError, match=r"only 4 of 4 rows can serve \(too few of negative, neutral\)"):
        ids(rare, Shots(6, balanced=True))


# From here on through the command line, with a server that answers.


def rows(n: int, prefix: str = "train") -> list[dict[str, Any]]:
    return [{"id": f"{prefix}-{i}", "text": f"{prefix} text {i}", "label": LABELS[i % 3]} for i in range(n)]


@pytest.fixture
def words(evalkit: Commands, server: FakeOpenAI) -> list[str]:
    """A run over three samples, with a file of twelve others beside it."""
    write_lines(evalkit.folder / "test.jsonl", *rows(3, "test"))
    write_lines(evalkit.folder / "train.jsonl", *rows(12))
    return [
        *asking(server, "task=sentiment", "dataset=jsonl", "dataset.path=test.jsonl", "resamples=10"),
        *("dataset.input.text=text", "dataset.target=label"),
    ]


def messages(server: FakeOpenAI) -> list[dict[str, str]]:
    found: list[dict[str, str]] = server.requests[-1].body["messages"]
    return found


def test_examples_are_turns_before_the_question(
    evalkit: Commands, server: FakeOpenAI, words: list[str]
) -> None:
    ran = evalkit(*words, "fewshot.k=3", "fewshot.path=train.jsonl", "fewshot.balanced=true")
    assert ran.code == 0, ran.err
    sent = messages(server)
    assert [one["role"] for one in sent] == ["system", *["user", "assistant"] * 3, "user"]
    targets = {row["text"]: row["label"] for row in rows(12)}
    for asked, answered in zip(sent[1:-1:2], sent[2:-1:2], strict=True):
        assert json.loads(answered["content"]) == {"sentiment": targets[asked["content"]]}
    assert sent[-1]["content"].startswith("test text")


def test_the_report_says_what_was_shown(evalkit: Commands, words: list[str]) -> None:
    evalkit(*words, "fewshot.k=2", "fewshot.path=train.jsonl", "fewshot.seed=5")
    prompt = evalkit.report()["prompt"]
    used = prompt["fewshot"]
    assert (used["k"], used["seed"], used["form"], used["split"]) == (2, 5, "chat", None)
    assert used["pool"] == "train"
    expected = sorted(
        (row["id"] for row in rows(12)), key=lambda one: hashlib.sha256(f"5|{one}".encode()).hexdigest()
    )
    assert used["ids"] == expected[:2]
    assert [one["input"]["text"] for one in prompt["source"]["examples"]] == [
        one.replace("-", " text ") for one in expected[:2]
    ]
    text = (evalkit.last_run() / "report.md").read_text("utf-8")
    assert "2 (chat) of train, seed 5: " in text
    assert f"seed 5: {expected[0]}, {expected[1]}" in text


def test_without_examples_requests_and_prompt_hash_stay_what_they_were(
    evalkit: Commands, server: FakeOpenAI, words: list[str]
) -> None:
    evalkit(*words)
    plain, before = evalkit.report()["prompt"], messages(server)
    evalkit(*words, "fewshot.k=0", "fewshot.path=train.jsonl", "fewshot.seed=9", "cache=off")
    assert evalkit.report()["prompt"] == plain
    assert messages(server) == before
    assert set(plain) == {"name", "sha256", "source"}
    assert set(plain["source"]) == {"system", "messages", "template", "variables", "answer_schema"}


def test_examples_change_the_request_key_and_the_prompt_s_hash(evalkit: Commands, words: list[str]) -> None:
    found = []
    for more in ((), ("fewshot.k=1",), ("fewshot.k=2",), ("fewshot.k=2", "fewshot.form=inline")):
        evalkit(*words, "fewshot.path=train.jsonl", *more)
        found.append((evalkit.report()["prompt"]["sha256"], evalkit.samples()[0]["request_key"]))
    assert len({one for one, _ in found}) == len({key for _, key in found}) == 4


def test_inline_examples_stand_in_the_one_user_message(
    evalkit: Commands, server: FakeOpenAI, words: list[str]
) -> None:
    evalkit(*words, "fewshot.k=1", "fewshot.path=train.jsonl", "fewshot.form=inline", "fewshot.cue=Label:")
    system, user = messages(server)
    assert (system["role"], user["role"]) == ("system", "user")
    asked, answered, question, cue = user["content"].split("\n\n")
    assert asked.startswith("train text ")
    assert json.loads(answered.removeprefix("Label: ")).keys() == {"sentiment"}
    assert question.startswith("test text ")
    assert cue == "Label:"


def test_an_answer_template_sees_target_and_fields(
    evalkit: Commands, server: FakeOpenAI, words: list[str]
) -> None:
    template = "fewshot.answer='{{ target | upper }} ({{ text | length }})'"
    evalkit(*words, "fewshot.k=1", "fewshot.path=train.jsonl", template)
    asked, answered = messages(server)[1:3]
    word, _, length = answered["content"].partition(" ")
    assert word.lower() in LABELS
    assert length == f"({len(asked['content'])})"


def test_rows_that_are_evaluated_are_skipped_in_the_dataset_s_own_file(
    evalkit: Commands, server: FakeOpenAI, words: list[str]
) -> None:
    one_file = [*words, "dataset.path=train.jsonl", "fewshot.path=train.jsonl", "dataset.limit=9"]
    ran = evalkit(*one_file, "fewshot.k=3")
    assert ran.code == 0, ran.err
    assert sorted(evalkit.report()["prompt"]["fewshot"]["ids"]) == ["train-10", "train-11", "train-9"]
    before = server.count
    error = evalkit(*one_file, "fewshot.k=4").error
    assert "train: fewshot.k=4, but only 3 of 12 rows can serve: 9 ask what an evaluated" in error
    assert server.count == before


def test_the_same_rows_in_another_format_give_the_same_examples(evalkit: Commands, words: list[str]) -> None:
    lines = ["id,text,label", *(f"{row['id']},{row['text']},{row['label']}" for row in rows(12))]
    (evalkit.folder / "train.csv").write_text("\n".join(lines), "utf-8")
    found = []
    for file in ("train.jsonl", "train.csv"):
        evalkit(*words, "fewshot.k=3", f"fewshot.path={file}")
        found.append(evalkit.report()["prompt"])
    assert found[0] == found[1] | {"fewshot": found[1]["fewshot"] | {"origin": found[0]["fewshot"]["origin"]}}


def test_a_split_of_a_saved_dataset(evalkit: Commands, server: FakeOpenAI, words: list[str]) -> None:
    from datasets import Dataset as Table
    from datasets import DatasetDict, disable_progress_bars

    disable_progress_bars()
    splits = {"train": Table.from_list(rows(12)), "test": Table.from_list(rows(3, "test"))}
    DatasetDict(splits).save_to_disk(str(evalkit.folder / "saved"))
    hub = [*words, "dataset=hub", "dataset.path=saved", "dataset.split=test", "fewshot.k=2"]
    ran = evalkit(*hub, "fewshot.split=train")
    assert ran.code == 0, ran.err
    used = evalkit.report()["prompt"]["fewshot"]
    assert used["split"] == "train"
    evalkit(*hub, "fewshot.path=train.jsonl", "fewshot.split=train")
    from_file = evalkit.report()["prompt"]["fewshot"]
    assert from_file["ids"] == used["ids"]
    assert from_file["split"] is None


def test_fewshot_limit_looks_at_the_first_rows_only(evalkit: Commands, words: list[str]) -> None:
    evalkit(*words, "fewshot.k=2", "fewshot.path=train.jsonl", "fewshot.limit=2")
    assert sorted(evalkit.report()["prompt"]["fewshot"]["ids"]) == ["train-0", "train-1"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["fewshot.k=3"], "fewshot.k=3: examples need rows of their own; set fewshot.split=train (a dataset"),
        (["fewshot.k=-1"], "fewshot.k=-1: must be 0 (no examples) or more"),
        (["fewshot.k=1", "fewshot.path=absent.jsonl"], "absent.jsonl: no such file"),
        (
            ["fewshot.k=1", "fewshot.split=train"],
            "fewshot.split=train: test.jsonl has no splits; set fewshot.path=FILE",
        ),
        (["fewshot.form=chatty"], 'fewshot.form="chatty" (did you mean "chat"?): must be chat or inline'),
        (["fewshot.limit=0"], "fewshot.limit=0: must be at least 1"),
        (["fewshot.n=3"], "fewshot.n"),
        (
            ["fewshot.k=1", "fewshot.path=train.jsonl", "dataset.target=null"],
            "has no target to show as its answer: set dataset.target=<column> or fewshot.answer=",
        ),
        (
            ["fewshot.k=1", "fewshot.path=train.jsonl", "fewshot.answer='{{ nope }}'"],
            "'nope' is undefined",
        ),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(
    evalkit: Commands, server: FakeOpenAI, words: list[str], overrides: list[str], message: str
) -> None:
    assert message in evalkit(*words, *overrides).error
    assert server.count == 0


@pytest.mark.shared
def test_public_tweets_give_examples_that_are_not_evaluated(
    evalkit: Commands, server: FakeOpenAI, words: list[str], shared_data: Path
) -> None:
    file = shared_data / "sentiment_vader_tweets.jsonl"
    ran = evalkit(
        *words, f"dataset.path={file}", f"fewshot.path={file}", "dataset.limit=20", "fewshot.k=9",
        "fewshot.balanced=true",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    report = evalkit.report()
    evaluated = {line["id"] for line in evalkit.samples()}
    shown = set(report["prompt"]["fewshot"]["ids"])
    assert len(shown) == 9
    assert not shown & evaluated
    assert server.count == 20
