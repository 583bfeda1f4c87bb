"""Images that a question shows: told by name and hash, and by their bytes only where they are sent."""
