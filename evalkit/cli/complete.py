"""`evalkit -sc`: shell completion, of commands by ourselves and of `run`'s settings by Hydra."""

from __future__ import annotations

import os
from collections.abc import Sequence

from evalkit.cli.main import COMMANDS

LINE = "COMP_LINE"
COMMAND = 2  # the word of the line that names it: `evalkit COMMAND …`


def main(argv: Sequence[str]) -> int:
    """Answer `install=SHELL`, `uninstall=SHELL`, or `query=SHELL` about the line in $COMP_LINE."""
    if any(word.startswith("query=") for word in argv):
        line = os.environ.get(LINE, "")
        words = line.split()
        if len(words) < COMMAND or (len(words) == COMMAND and not line.endswith(" ")):
            begun = words[COMMAND - 1] if len(words) == COMMAND else ""
            print(" ".join(name for name in COMMANDS if name.startswith(begun)))
            return 0
        if words[COMMAND - 1] != "run":
            return 0
        os.environ[LINE] = line.replace(" run", "", 1)  # Hydra knows only settings
    from evalkit.cli import sweep

    return sweep.main(argv)
