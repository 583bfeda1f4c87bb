"""The smallest JSON value that fits a JSON schema, for default answers under `response_format`."""

from typing import Any

_SCALARS: dict[str, Any] = {"boolean": True, "integer": 1, "null": None, "number": 0.5}


def instance(schema: Any, text: str, pick: int, root: Any = None) -> Any:  # noqa: PLR0911 - one a keyword
    """A value for the schemas that structured outputs allow; `pick` chooses among enum values."""
    if not isinstance(schema, dict):
        return text
    root = root or schema
    if "$ref" in schema:
        target = root
        for part in schema["$ref"].removeprefix("#").split("/"):
            target = target[part] if part else target
        return instance(target, text, pick, root)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][pick % len(schema["enum"])]
    if "anyOf" in schema:
        return instance(schema["anyOf"][0], text, pick, root)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: instance(value, text, pick, root) for name, value in properties.items()}
    if kind == "array":
        return [instance(schema.get("items"), text, pick, root)] * schema.get("minItems", 1)
    return _SCALARS.get(kind, text)
