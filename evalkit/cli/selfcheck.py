"""`evalkit selfcheck`: the gate's own false-alarm rate and noise floor on a task, by an A/A experiment."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from evalkit.cli.output import note, print_json

FEWEST_TRIALS = 4


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit selfcheck",
        description="The rate of false alarms with nothing changed: an A/A experiment.",
    )
    found.add_argument(
        "words",
        nargs="*",
        metavar="RUN | SETTING=VALUE",
        help=f"a run with two or more trials, or the settings of one to make (trials={FEWEST_TRIALS}+)",
    )
    found.add_argument("--rounds", type=int, default=1000, help="A/A comparisons (default: 1000)")
    found.add_argument("--baseline", default="main", help="the baseline to write the result beside")
    found.add_argument("--json", action="store_true", help="machine-readable")
    found.add_argument("--results-dir", default="results", help="where runs lie (default: results)")
    return found


def main(argv: Sequence[str]) -> int:
    """Run the experiment on a run with several trials, or make such a run first."""
    options = parser().parse_args(argv)
    names = [word for word in options.words if "=" not in word]
    settings = [word for word in options.words if "=" in word]

    from evalkit.config.compose import load
    from evalkit.gating import check_self

    results = Path(options.results_dir)
    config = load([*settings, f"results_dir={results}"])
    if names:
        found = check_self(names[0], config.gate, results, rounds=options.rounds, baseline=options.baseline)
    else:
        from evalkit.cli.run import perform

        config.trials = max(config.trials, FEWEST_TRIALS)
        folder = perform(config).folder
        found = check_self(
            str(folder), config.gate, results, rounds=options.rounds, baseline=options.baseline
        )
    for one in found:
        if options.json:
            print_json({**one.__dict__, "rate": one.rate, "noise": [noise.__dict__ for noise in one.noise]})
            continue
        print(f"{one.case} ({one.n} samples, {one.trials} trials): {one.sentence}")
        for noise in one.noise:
            print(f"  {noise.metric}: noise floor {noise.p95:.3g} (sd {noise.sd:.3g})")
    note(f"kept beside the baseline {options.baseline}, and quoted by evalkit gate")
    return 0
