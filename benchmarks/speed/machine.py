"""The machine and the versions that a table was measured with; no names of hosts, people or folders."""

import os
import platform
import re
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from workload import ROOT

PACKAGES = (
    *("openai", "aiohttp", "httpx2", "hydra-core", "orjson", "zstandard", "numpy", "sacrebleu"),
    *("rouge-score", "rouge-score-rs", "uvloop"),
)


def processor() -> str:
    """Return the processor's model."""
    try:
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE)
    except OSError:
        found = None
    return found.group(1).strip() if found else platform.processor() or platform.machine()


def memory() -> float:
    """Return the machine's memory in GB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def cores() -> int:
    return os.cpu_count() or 1


def load() -> float:
    """Return how many processes wanted to run in the last minute."""
    return os.getloadavg()[0]


def packages() -> str:
    """Return the versions of what is compared."""
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"no {name}")
    return ", ".join(found)


def commit() -> str:
    """Return the commit that was measured."""
    words = ("git", "-C", str(ROOT), "describe", "--always", "--dirty")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def facts() -> list[str]:
    """Return what is said of the machine, a line each."""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return [
        f"{processor()}, {cores()} cores, {memory():.0f} GB of memory, {platform.system()}",
        f"{python}, evalkit {version('evalkit')} ({commit()})",
        packages(),
    ]


def short_name() -> str:
    """Return the machine as a part of a file's name: `amd-epyc-2-cores`."""
    model = re.sub(r"\(\w+\)|@.*|\bCPU\b|\d+-Core Processor", "", processor())
    return f"{'-'.join(re.findall(r'[a-z0-9]+', model.lower()))}-{cores()}-cores"
