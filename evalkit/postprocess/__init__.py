"""Post-processing: named steps that turn a response into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`). A new step is a
file in this room and a line here.
"""

from evalkit.postprocess.abstention import Abstention
from evalkit.postprocess.base import Context, Pipeline, Step, Unparsed
from evalkit.postprocess.choice import Choice, ChoiceLogprobs
from evalkit.postprocess.code import Code
from evalkit.postprocess.json_field import JsonField
from evalkit.postprocess.json_value import JsonValue
from evalkit.postprocess.label import Label
from evalkit.postprocess.number import Number
from evalkit.postprocess.preference import Preference, Scores
from evalkit.postprocess.refusal import Refusal
from evalkit.postprocess.score import Score
from evalkit.postprocess.text import FirstLine, Regex, Strip
from evalkit.postprocess.tool_calls import ToolCalls

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Choice,
        ChoiceLogprobs,
        Abstention,
        Code,
        FirstLine,
        JsonField,
        JsonValue,
        Label,
        Number,
        Refusal,
        Preference,
        Regex,
        Score,
        Scores,
        Strip,
        ToolCalls,
    )
}

__all__ = [
    "STEPS",
    "Abstention",
    "Choice",
    "ChoiceLogprobs",
    "Code",
    "Context",
    "FirstLine",
    "JsonField",
    "JsonValue",
    "Label",
    "Number",
    "Pipeline",
    "Preference",
    "Refusal",
    "Regex",
    "Score",
    "Scores",
    "Step",
    "Strip",
    "ToolCalls",
    "Unparsed",
]
