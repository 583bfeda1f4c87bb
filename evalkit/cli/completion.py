"""`evalkit completion SHELL`: prints the script that makes a shell complete evalkit's commands."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

# The line up to the cursor is handed over as it stands; the answers come one a line. What ends in = or . or :
# or , goes on without a space.
BASH = r"""_evalkit_completion() {
    local found one
    found="$(evalkit __complete bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)"
    COMPREPLY=()
    while IFS= read -r one; do
        [ -n "$one" ] && COMPREPLY+=("$one")
    done <<< "$found"
    case "${COMPREPLY[0]-}" in
        *[=.:,]) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -o default -F _evalkit_completion evalkit
"""
ZSH = r"""#compdef evalkit
_evalkit_completion() {
    local -a found whole begun
    found=("${(@f)$(evalkit __complete zsh "${BUFFER[1,CURSOR]}" 2>/dev/null)}")
    whole=(${found:#*[=.:,]})
    begun=(${(M)found:#*[=.:,]})
    (( ${#whole} )) && compadd -Q -- $whole
    (( ${#begun} )) && compadd -Q -S '' -- $begun
    (( ${#whole} + ${#begun} )) || { compset -P '*='; _files }
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
compdef _evalkit_completion evalkit
"""
FISH = r"""complete -c evalkit -f -a '(evalkit __complete fish (commandline -cp) 2>/dev/null)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}

EPILOG = """Put this into your shell's start file:
bash and zsh: eval "$(evalkit completion bash)"; fish: evalkit completion fish | source"""


def parser() -> argparse.ArgumentParser:
    """Return the command's arguments."""
    found = argparse.ArgumentParser(
        "evalkit completion", description="The script that completes evalkit's commands.", epilog=EPILOG
    )
    found.add_argument("shell", choices=SCRIPTS, metavar="SHELL", help="bash, zsh or fish")
    return found


def main(argv: Sequence[str]) -> int:
    """Print the script."""
    print(SCRIPTS[parser().parse_args(argv).shell], end="")
    return 0
