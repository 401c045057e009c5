"""The command line: `python -m experiments.compile --target v5e h100`."""

import sys

from experiments.compile import main

if __name__ == "__main__":
    sys.exit(main())
