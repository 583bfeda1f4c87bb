"""Verdicts on made-up sides whose answer is known, and on recorded outputs whose table is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evalkit.cli.main import main
from evalkit.comparison.base import Comparison, Family, Measured, MetricComparison, Side, Verdict
from evalkit.comparison.compare import Options, compare
from evalkit.comparison.gate import decide
from evalkit.comparison.policy import Policy

FACTS: dict[str, Any] = {
    "model": "m",
    "params": {},
    "prompt_sha256": None,
    "served": {},
    "system_fingerprint": {},
    "run_id": "r",
}
TOKEN_F1 = Family(
    "token_f1", "evalkit.metrics.token_f1.TokenF1", {"tokenizer": "squad"}, ("token_f1",), ("token_f1",),
    "key", "signature", higher_is_better=True, maximum=1.0,
)  # fmt: skip
ACCURACY = Family(
    "accuracy", "evalkit.metrics.accuracy.Accuracy", {"ignore_case": False}, ("accuracy",), ("accuracy",),
    "key", "signature", higher_is_better=True, maximum=1.0,
)  # fmt: skip


def side(scores: Sequence[float | None], family: Family = TOKEN_F1, group: int | None = None) -> Side:
    """One sample a score; None failed. `group` samples share a document."""
    samples = {}
    for number, score in enumerate(scores):
        rows = {} if score is None else {family.name: np.array([[score, 1.0]])}
        bounds = {family.name: (np.array([0.0, 1.0]), np.array([1.0, 1.0]))} if score is None else {}
        samples[f"s{number}"] = Measured(
            hash=str(number),
            group=None if group is None else str(number // group),
            rows=rows,
            failed=int(score is None),
            bounds=bounds,
            request_keys=(f"{id(scores)}-{number}",),
        )
    return Side("side", "case", FACTS, {family.name: family}, samples)


def found(before: Side, after: Side, policy: Policy | None = None) -> tuple[Comparison, MetricComparison]:
    comparison = compare([before], [after], Options(policy=policy or Policy()))
    return comparison, comparison.cases[0].metrics[0]


def scores(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.4, 0.9, n)


def test_fall_of_030_on_every_sample_is_a_regression() -> None:
    """A rival harness that counts flips of "score > 0" calls this a pass."""
    before = scores(1, 200)
    _, one = found(side(before.tolist()), side((before - 0.30).tolist()))
    assert one.verdict is Verdict.REGRESSED
    assert one.effect is not None
    assert one.effect.difference == pytest.approx(-0.30)


def test_small_loss_inside_the_margin_passes() -> None:
    """-0.0035 with a standard error of 0.002 is within a margin of 0.05, however significant."""
    n = 400
    noise = np.random.default_rng(2).normal(0, 0.002 * np.sqrt(n), n)
    change = noise - noise.mean() - 0.0035
    before = scores(3, n)
    _, one = found(side(before.tolist()), side((before + change).tolist()), Policy(margin=0.05))
    assert one.verdict is Verdict.PASSED
    assert one.effect is not None
    assert one.effect.se == pytest.approx(0.002, rel=0.1)


def test_many_small_gains_and_few_large_losses_of_mean_zero_are_no_regression() -> None:
    """80% gain 0.05 and 20% lose 0.20: Wilcoxon would reject, the mean did not move."""
    before = scores(4, 200)
    change = np.where(np.arange(200) % 5 == 0, -0.20, 0.05)
    _, one = found(side(before.tolist()), side((before + change).tolist()))
    assert one.effect is not None
    assert one.effect.difference == pytest.approx(0, abs=1e-12)
    assert one.verdict is not Verdict.REGRESSED


def test_no_difference_at_all_has_p_one() -> None:
    before = scores(5, 50).tolist()
    _, one = found(side(before), side(list(before)))
    assert one.effect is not None
    assert (one.effect.p_value, one.effect.p_worse, one.effect.p_better) == (1.0, 1.0, 1.0)


def test_grouped_samples_are_judged_by_documents() -> None:
    """Ten documents of five questions: the loss lies in two documents, ten samples that move together."""
    before = [1.0] * 50
    after = [0.0 if number < 10 else 1.0 for number in range(50)]
    _, alone = found(side(before, ACCURACY), side(after, ACCURACY))
    _, together = found(side(before, ACCURACY, 5), side(after, ACCURACY, 5))
    assert alone.verdict is Verdict.REGRESSED
    assert together.verdict is Verdict.INCONCLUSIVE
    assert together.effect is not None
    assert together.effect.units == 10
    assert together.effect.p_value == pytest.approx(0.5)  # two documents of one sign: 2 of 4 sign patterns


def test_failures_that_could_turn_the_verdict_are_invalid_and_few_are_bounded() -> None:
    before = [1.0] * 90 + [0.0] * 10
    many: list[float | None] = [None] * 30 + [1.0] * 60 + [0.0] * 10
    comparison, one = found(side(before, ACCURACY), side(many, ACCURACY))
    assert one.verdict is Verdict.INVALID
    assert "30 samples" in one.reason
    # Five broken of 75 and none fixed is McNemar's one-sided mid-p of 0.5^6 = 0.016; four are 0.031, three
    # 0.0625: four samples at their worst are enough at 5%.
    assert "4 of them would decide it" in one.reason
    assert decide(comparison, Policy()).code == 5
    few: list[float | None] = [None, *([1.0] * 89), *([0.0] * 10)]
    comparison, one = found(side(before, ACCURACY), side(few, ACCURACY))
    assert one.verdict is not Verdict.INVALID
    # A regression that the failures cannot hide stays one.
    worse: list[float | None] = [None] * 5 + [0.0] * 60 + [1.0] * 25 + [0.0] * 10
    comparison, one = found(side(before, ACCURACY), side(worse, ACCURACY))
    assert one.verdict is Verdict.REGRESSED
    assert decide(comparison, Policy()).code == 1


def test_changed_content_under_the_same_id_is_not_comparable() -> None:
    before, after = side([1.0] * 20), side([1.0] * 20)
    shifted = {f"s{number}": after.samples[f"s{(number + 1) % 20}"] for number in range(20)}
    other = Side("x", "case", FACTS, after.families, shifted)
    comparison = compare([before], [other], Options())
    assert comparison.cases[0].problem is not None
    assert decide(comparison, Policy()).code == 4


def test_false_alarms_of_the_whole_gate_stay_near_alpha() -> None:
    """A model that is right 80% of the time, against itself, n = 100; "a point lower" fires about half."""
    rng = np.random.default_rng(6)
    rounds, alarms, naive = 400, 0, 0
    for _ in range(rounds):
        share = rng.beta(8, 2, 100)
        before, after = ((rng.random(100) < share).astype(float) for _ in range(2))
        _, one = found(side(before.tolist(), ACCURACY), side(after.tolist(), ACCURACY))
        alarms += one.verdict is Verdict.REGRESSED
        naive += after.mean() <= before.mean() - 0.01
    assert alarms <= 32  # 5% of 400 is 20; 33 or more has probability 0.004
    assert naive > 140


@pytest.mark.shared
def test_recorded_gsm8k_systems_give_the_files_own_two_by_two_table(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The final number is extracted from two systems' outputs; the file says which are right."""
    monkeypatch.chdir(tmp_path)
    outputs = shared_data / "recorded_gsm8k_outputs.jsonl"
    systems = ("6b_finetuning", "175b_verification")
    for system in systems:
        words = [
            *("run", "task=qa", "dataset=jsonl", f"dataset.path={shared_data / 'qa_math_gsm8k.jsonl'}"),
            *("dataset.input.question=question", "dataset.target=final_answer", "metrics=[exact_match]"),
            *("model=recorded", f"model.path={outputs}", f"model.output=outputs.{system}"),
            'task.postprocess=[{regex: {pattern: "A: *(-?[0-9.,]+)", match: last}}]',
        ]
        assert main(words) == 0
    runs = {
        json.loads((run / "report.json").read_text())["model"]["params"]["output"]: str(run)
        for run in (tmp_path / "results" / "runs" / "qa").iterdir()
    }
    capsys.readouterr()
    assert main(["compare", *(runs[f"outputs.{system}"] for system in systems), "--json"]) == 0
    (case,) = json.loads(capsys.readouterr().out)["cases"]
    right = [json.loads(line)["is_correct"] for line in outputs.read_text("utf-8").splitlines()]
    fixed = sum(not one[systems[0]] and one[systems[1]] for one in right)
    broken = sum(one[systems[0]] and not one[systems[1]] for one in right)
    assert (len(case["fixed"]), len(case["broken"])) == (fixed, broken) == (180, 17)
    effect = case["metrics"][0]["effect"]
    assert (effect["baseline"], effect["candidate"]) == (124 / 500, 287 / 500)
    # What scipy 1.17 gives for a two-sided binomial test of 17 in 197.
    assert effect["p_exact"] == pytest.approx(1.5380202394934788e-35, rel=1e-9, abs=0)
