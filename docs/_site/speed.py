"""The tables of speed, on the site and in the README: `python docs/_site/speed.py` writes the rows of the latter anew."""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_GALLERY = ROOT / "paper_figures" / "gallery"
_SHOWN = {
    "refit descent, 262,144 runs, against the tutorial's NumPy and scikit-learn loop": (
        "262,144 runs of SGD on refitted polynomials, against a loop of NumPy and scikit-learn"
    ),
    "784-256-128-10 network: population of 32, against a PyTorch loop (DataLoader)": (
        "32 networks of 784-256-128-10 units, against a loop of PyTorch"
    ),
    "ridge and LOO, 1,000 targets, 100 alphas, against a scikit-learn loop": (
        "1,000 ridge paths with leave-one-out errors, against a loop of scikit-learn"
    ),
    "LARS, 1,000 datasets, one design, against a scikit-learn loop": (
        "1,000 LARS paths of one design, against a loop of scikit-learn"
    ),
    "one lasso of 200 × 5,000, against scikit-learn": "one lasso of 200 × 5,000, against scikit-learn",
}
"""Rows of the README: which, and what they are called there."""
_MARKED = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", flags=re.DOTALL)
_SMALLER_IS_BETTER = ("ratio of times", "MB", "points")


def read(path: Path) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The version that a file of measurements is of, and its rows by name; a name that begins with blanks goes on the
    one before that does not.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    rows, head = {}, ""
    for row in told["rows"]:
        name = row["name"]
        head = head if name.startswith(" ") else name
        rows[f"{head}, {name.strip()}" if name.startswith(" ") else name] = row
    return told["history"][-1]["versions"]["jaxreg"], rows


def tell(row: Mapping[str, Any]) -> str:
    """A measurement with its unit."""
    value, unit = row["value"], row["unit"]
    return f"{value:.3g} ×" if unit == "x" else f"{value:,.3g} {unit}"


def render(gallery: Path) -> str:
    """The page: every row, a column for each version that was measured, the newest first."""
    versions = dict(map(read, sorted(gallery.glob("benchmark*.json"))))
    newest, *earlier = sorted(versions, reverse=True)
    every = [newest, *earlier]
    lines = [
        (ROOT / "docs" / "_site" / "speed.md").read_text(encoding="utf-8"),
        f"| figure | {' | '.join(every)} | target | |",
        f"| --- |{' ---: |' * len(every)} ---: | --- |",
    ]
    for name, row in versions[newest].items():
        measured = " | ".join(tell(rows[name]) if name in rows else "" for rows in map(versions.get, every))
        lines.append(f"| {name} | {measured} | {_judge(row)} | {row.get('note', '')} |")
    return "\n".join(lines) + "\n"


def _judge(row: Mapping[str, Any]) -> str:
    if row["target"] is None:
        return ""
    small = row["unit"] in _SMALLER_IS_BETTER
    met = row["value"] <= row["target"] if small else row["value"] >= row["target"]
    return f"{'≤' if small else '≥'} {row['target']:g}, {'met' if met else '**missed**'}"


def render_few() -> str:
    """The rows of the README."""
    _, rows = read(_GALLERY / "benchmark.json")
    lines = ["| | times as fast |", "| --- | ---: |"]
    for name, shown in _SHOWN.items():
        row = rows[name]
        lines.append(f"| {shown} | {tell(row)}{' (they win)' if row['value'] < 1 else ''} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    readme = ROOT / "README.md"
    written = _MARKED.sub(render_few(), readme.read_text(encoding="utf-8"))
    sys.exit(readme.write_text(written, encoding="utf-8") == 0)
