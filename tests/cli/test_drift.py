"""A server whose model changes, within a run and between two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from commands import Commands, asking
from faulty_runs import SETTINGS, samples

if TYPE_CHECKING:
    from fake_openai import FakeOpenAI


def test_more_than_one_served_model_is_said_everywhere(server: FakeOpenAI, evalkit: Commands) -> None:
    """Half of the samples were answered before the server's model was changed."""
    samples(["a"])
    server.settings.system_fingerprint = "fp_old"
    assert evalkit(*asking(server, *SETTINGS)).code == 0
    samples(["a", "b", "c"])
    server.settings.system_fingerprint = "fp_new"
    ran = evalkit(*asking(server, *SETTINGS))
    assert ran.code == 0
    said = "more than one system fingerprint answered: fp_new (2 answers), fp_old (1 answers)"
    assert said in ran.err
    assert said in evalkit("show", "latest").out
    assert (
        "More than one system fingerprint answered" in evalkit("report", "latest", "--format", "markdown").out
    )
    assert [one["system_fingerprint"] for one in evalkit.samples()] == ["fp_old", "fp_new", "fp_new"]
    assert {one["model"] for one in evalkit.samples()} == set(evalkit.report()["model"]["served"])
    assert evalkit("verify", "latest").code == 0


def test_comparison_across_two_states_of_the_model_says_so(server: FakeOpenAI, evalkit: Commands) -> None:
    samples(["a", "b"])
    runs = []
    for fingerprint in ("fp_old", "fp_new"):
        server.settings.system_fingerprint = fingerprint
        assert evalkit(*asking(server, *SETTINGS, "cache=off")).code == 0
        runs.append(evalkit.last_run().name)
    compared = evalkit("compare", *runs)
    assert "the served system fingerprint drifted from fp_old to fp_new" in compared.out + compared.err
