"""The command line of the figures: `python -m paper_figures [NAME ...] [--all] [--preset quick] [--dataset digits]`."""

import sys
from pathlib import Path

from jaxreg.study.figures import Studies, draw_figures

_HOME = Path(__file__).parent

STUDIES = Studies(
    experiments="experiments",
    figures="paper_figures",
    prog="python3 -m paper_figures",
    output=_HOME / "output",
    results=_HOME.parent / "results",
    on_request=frozenset({"benchmark"}),  # it measures for minutes
    tour={  # one of each subject that decides all its claims, the quickest first
        "network_from_scratch": "quick",
        "activation": "quick",
        "sgd_landscape": "quick",
        "double_descent": "quick",
        "implicit_bias": "quick",
    },
)

if __name__ == "__main__":
    sys.exit(draw_figures(None, STUDIES))
