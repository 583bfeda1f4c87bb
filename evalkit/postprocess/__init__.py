"""Post-processing: named steps that turn a response into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`). A new step is a
file in this room and a line here; only the steps of a run are imported.
"""

from collections.abc import Mapping

from evalkit.plugins import Classes
from evalkit.postprocess.base import Context, Pipeline, Step, Unparsed

STEPS: Mapping[str, type[Step]] = Classes(
    __name__,
    {
        "choice": "choice.Choice",
        "choice_logprobs": "choice.ChoiceLogprobs",
        "abstention": "abstention.Abstention",
        "code": "code.Code",
        "first_line": "text.FirstLine",
        "json_field": "json_field.JsonField",
        "json": "json_value.JsonValue",
        "label": "label.Label",
        "number": "number.Number",
        "refusal": "refusal.Refusal",
        "preference": "preference.Preference",
        "regex": "text.Regex",
        "score": "score.Score",
        "scores": "preference.Scores",
        "strip": "text.Strip",
        "tool_calls": "tool_calls.ToolCalls",
    },
)

__all__ = ["STEPS", "Context", "Pipeline", "Step", "Unparsed"]
