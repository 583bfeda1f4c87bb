"""`python -m evalkit` is the `evalkit` command."""

import sys

from evalkit.cli.main import main

sys.exit(main())
