"""`evalkit diff` shows how the request of a sample changed, as it was sent."""

from __future__ import annotations

from commands import Commands, asking, write_lines
from fake_openai import FakeOpenAI


def test_a_changed_prompt_is_shown_as_it_was_sent(evalkit: Commands) -> None:
    write_lines(evalkit.folder / "rows.jsonl", {"id": "a", "text": "It rains.", "label": "negative"})
    data = (
        *("dataset=jsonl", "dataset.path=rows.jsonl", "dataset.input.text=text", "dataset.target=label"),
        "resamples=20",
    )
    with FakeOpenAI(answer=lambda request: "negative" if "Text:" in str(request) else "positive") as server:
        for template in ("Text: {{ text }}", "Message: {{ text }}"):
            ran = evalkit(*asking(server, *data), f"prompt.template='{template}'")
            assert ran.code == 0, ran.error
    first, second = sorted(path.name for path in (evalkit.folder / "results/runs/sentiment").iterdir())
    out = evalkit("diff", first, second).out
    assert "--- baseline request" in out
    assert "-Text: It rains." in out
    assert "+Message: It rains." in out
