"""Images that a question shows: told by name and hash, and by their bytes only where they are sent."""

from evalkit.images.kinds import KINDS, Facts, facts_of
from evalkit.images.reference import Reference, parse, shown
from evalkit.images.rules import most_tokens, usual_tokens
from evalkit.images.sending import sent
from evalkit.images.store import keep, keep_file

__all__ = [
    "KINDS",
    "Facts",
    "Reference",
    "facts_of",
    "keep",
    "keep_file",
    "most_tokens",
    "parse",
    "sent",
    "shown",
    "usual_tokens",
]
