"""The endpoint families, and the one table that finds them.

A new family (batches, files, fine-tuning) is a file with a `ROUTES` list, and its name in `_FAMILIES`.
"""

from fake_openai.endpoints import azure, chat, completions, models, responses
from fake_openai.endpoints.base import Call, Endpoint, Route, Script
from fake_openai.payloads import ApiError

_FAMILIES = (chat, completions, responses, models, azure)
_ROUTES: list[Route] = [route for family in _FAMILIES for route in family.ROUTES]
_EXACT = {(route.method, route.pattern): route.endpoint for route in _ROUTES}


def find(method: str, path: str) -> Endpoint:
    """The endpoint for a request, or the API's own 404 or 405."""
    if (endpoint := _EXACT.get((method, path))) is not None:
        return endpoint
    fitting = [route for route in _ROUTES if route.fits(path)]
    for route in fitting:
        if route.method == method:
            return route.endpoint
    if fitting:
        hint = "(HINT: Perhaps you meant to use a different HTTP method?)"
        raise ApiError(405, f"Not allowed to {method} on {path}. {hint}")
    raise ApiError(404, f"Invalid URL ({method} {path})")


__all__ = ["Call", "Endpoint", "Script", "find"]
