"""The process that measures; the command line is `python -m experiments.benchmarks --device`."""

import sys

from experiments.benchmarks.device import main

if __name__ == "__main__":
    sys.exit(main())
