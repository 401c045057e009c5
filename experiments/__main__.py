"""The command line of the experiments: `python -m experiments NAME [--preset laptop] [--FIELD VALUE]`."""

import sys

from jaxreg.study.command import run_study

if __name__ == "__main__":
    sys.exit(run_study(sys.argv[1:], "experiments", "python -m experiments"))
