"""Post-processing: named steps that turn a response into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`). A new step is a
file in this room and a line here.
"""

from evalkit.postprocess.base import Context, Pipeline, Step, Unparsed
from evalkit.postprocess.code import Code
from evalkit.postprocess.json_field import JsonField
from evalkit.postprocess.label import Label
from evalkit.postprocess.preference import Preference, Scores
from evalkit.postprocess.score import Score
from evalkit.postprocess.text import FirstLine, Regex, Strip

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Code,
        FirstLine,
        JsonField,
        Label,
        Preference,
        Regex,
        Score,
        Scores,
        Strip,
    )
}

__all__ = [
    "STEPS",
    "Code",
    "Context",
    "FirstLine",
    "JsonField",
    "Label",
    "Pipeline",
    "Preference",
    "Regex",
    "Score",
    "Scores",
    "Step",
    "Strip",
    "Unparsed",
]
