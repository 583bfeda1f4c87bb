"""How large the HTML report of many samples is, how much memory writing takes, and how soon it is painted.

    python benchmarks/speed/html_report.py [SAMPLES]

10,000 samples by default, 1 KB of text in each (words drawn from a seed, which compress worse than language).
Painting is measured in the system's Chromium, from the navigation to the first picture of the score table,
and to the moment when the samples can be used; scrolling as the longest of the frames of a sweep through all.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

WRITE = "write"
WORDS = 20_000
FRAMES = """async () => {
  const list = document.getElementById("list");
  const times = [];
  for (let step = 0, last = performance.now(); step < 120; step += 1) {
    list.scrollTop = (list.scrollHeight * step) / 120;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  times.sort((one, other) => one - other);
  return [times[60], times[118]];
}"""


def main() -> None:
    samples = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        peaks = {n: peak(folder / str(n), n) for n in (samples // 10, samples)}
        for n, (megabytes, seconds) in peaks.items():
            page = folder / str(n) / "page.html"
            print(f"{n:>6} samples: written in {seconds:.1f} s, peak memory {megabytes:.0f} MB, "
                  f"file {page.stat().st_size / 1e6:.1f} MB")  # fmt: skip
        browse(folder / str(samples) / "page.html")


def peak(folder: Path, n: int) -> tuple[float, float]:
    """Write a page in a process of its own; return its peak of resident memory and the seconds of writing."""
    make(folder, n)
    done = subprocess.run(
        [sys.executable, __file__, WRITE, folder], check=True, capture_output=True, text=True
    )
    megabytes, seconds = map(float, done.stdout.split())
    return megabytes, seconds


def make(folder: Path, n: int) -> None:
    from pages import stored

    stored(folder, lines(n))


def lines(n: int) -> Iterator[dict[str, Any]]:
    from pages import line

    drawn = random.Random(0)
    words = [
        "".join(drawn.choices("etaoinshrdlucmfwypvbgkqjxz", k=drawn.randint(2, 9))) for _ in range(WORDS)
    ]
    for number in range(n):
        text = " ".join(drawn.choices(words, k=160))
        yield line(f"q{number}", text[500:1000], right=number % 5 > 0, input={"question": text[:500]})


def write(folder: Path) -> None:
    from evalkit.report.base import read
    from evalkit.report.find import find
    from evalkit.report.html.page import parts
    from evalkit.report.write import write_parts

    report = read(find("latest", folder / "results"))
    started = time.perf_counter()
    write_parts(folder / "page.html", parts(report))
    print(high_water_mark(), time.perf_counter() - started)


def high_water_mark() -> float:
    """Return this process's peak of resident memory in MB; getrusage would count its parent's before exec."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def browse(page: Path) -> None:
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        print("no Chromium here: painting is not measured")
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for attempt in range(3):
            tab = browser.new_page(viewport={"width": 1280, "height": 900})
            tab.goto(page.as_uri(), wait_until="commit")
            tab.wait_for_selector("html[data-ready]", state="attached")
            used = tab.evaluate("performance.now()")
            painted = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            middle, longest = tab.evaluate(FRAMES)
            started = time.perf_counter()
            tab.get_by_role("searchbox").fill("zzzz")
            tab.wait_for_selector("#count[data-searched=zzzz]")
            searched = time.perf_counter() - started
            print(
                f"opened {attempt + 1}: table painted after {painted / 1000:.2f} s, samples usable after "
                f"{used / 1000:.2f} s; frame {middle:.0f} ms (slowest {longest:.0f} ms); "
                f"first search of all texts {searched:.2f} s"
            )
            tab.close()
        browser.close()


if __name__ == "__main__":
    if sys.argv[1:2] == [WRITE]:
        write(Path(sys.argv[2]))
    else:
        main()
