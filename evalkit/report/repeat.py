"""What a run that was made again has otherwise than the first."""

from __future__ import annotations

from evalkit.report.base import Report


def unlike(first: Report, again: Report) -> list[str]:
    """Return a sentence for each thing that two runs of the same settings should share and do not."""
    then, now = _facts(first), _facts(again)
    return [
        f"{what} differs: {then[what] or 'none'}, now {now[what] or 'none'}"
        for what in then
        if what in now and then[what] != now[what]
    ]


def _facts(report: Report) -> dict[str, str]:
    git, versions = report.provenance.get("git") or {}, report.provenance["versions"]
    return {
        "the data's fingerprint": report.dataset["fingerprint"][:12],
        "the number of samples": str(report.dataset["n"]),
        "the prompt": report.prompt["sha256"][:12] if report.prompt else "",
        "the served model": ", ".join(sorted(report.model["served"])),
        "the server's fingerprint": ", ".join(sorted(report.model["system_fingerprint"])),
        "the commit": git.get("sha", "")[:12],
        "the version of evalkit": versions.get("evalkit", ""),
        "the version of Python": versions.get("python", ""),
        **{f"how {name} is computed": one["signature"] for name, one in report.families.items()},
    }
