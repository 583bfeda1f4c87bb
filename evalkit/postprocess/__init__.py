"""Post-processing: named steps that turn a response into a prediction, or say why they cannot.

In a config a step is its name (`strip`), or its name with options (`regex: {pattern: …}`). A new step is a
file in this room and a line here.
"""

from evalkit.postprocess.abstention import Abstention
from evalkit.postprocess.base import Context, Pipeline, Step, Unparsed
from evalkit.postprocess.code import Code
from evalkit.postprocess.json_field import JsonField
from evalkit.postprocess.label import Label
from evalkit.postprocess.text import FirstLine, Regex, Strip

STEPS: dict[str, type[Step]] = {
    step.name: step
    for step in (
        Abstention,
        Code,
        FirstLine,
        JsonField,
        Label,
        Regex,
        Strip,
    )
}

__all__ = [
    "STEPS",
    "Abstention",
    "Code",
    "Context",
    "FirstLine",
    "JsonField",
    "Label",
    "Pipeline",
    "Regex",
    "Step",
    "Strip",
    "Unparsed",
]
