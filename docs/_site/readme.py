"""What machines write into the documentation: `python docs/_site/readme.py` writes it anew.

The rows of speed and the printed result in the README; the repository's address, which pyproject.toml alone says, in
README, notebooks, errors and citation.
"""

import contextlib
import io
import json
import re
import tomllib
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
    "one lasso of 200 × 5,000, against scikit-learn": "one lasso of 200 × 5,000, against scikit-learn",
    "one lasso of 200 × 500, against scikit-learn": "one lasso of 200 × 500, against scikit-learn",
}
"""Rows of the README: which, and what they are called there."""
_SPEED = re.compile(r"(?<=<!-- speed -->\n).*?(?=<!-- /speed -->)", flags=re.DOTALL)
_EXAMPLE = re.compile(r"```python\n(?P<code>.*?)```\n\n```text\n(?P<shown>.*?)```", flags=re.DOTALL)
_GITHUB, _COLAB = "https://github.com/", "https://colab.research.google.com/"
_BADGE = re.compile(r"(\[!\[Open in Colab\]\([^)]*\)\])\([^)]*\)")
_SMALLER_IS_BETTER = ("ratio of times", "MB", "points")


def read(path: Path) -> tuple[str, dict[str, Mapping[str, Any]]]:
    """The version that a file of measurements is of, and its rows by name.

    A name that begins with blanks belongs to the last one that does not.
    """
    told = json.loads(path.read_text(encoding="utf-8"))
    rows, head = {}, ""
    for row in told["rows"]:
        name = row["name"]
        head = head if name.startswith(" ") else name
        rows[f"{head}, {name.strip()}" if name.startswith(" ") else name] = row
    return told["history"][-1]["versions"]["jaxreg"], rows


def tell(row: Mapping[str, Any]) -> str:
    """A measurement of three digits, with its unit."""
    value = float(f"{row['value']:.3g}")
    return f"{value:,.15g} {'×' if row['unit'] == 'x' else row['unit']}"


def render_speed(gallery: Path) -> str:
    """Every row, with a column for each version that was measured, the newest first."""
    versions = dict(map(read, sorted(gallery.glob("benchmark*.json"))))
    every = sorted(versions, reverse=True)
    lines = [
        f"| figure | {' | '.join(every)} | target | |",
        f"| --- |{' ---: |' * len(every)} ---: | --- |",
    ]
    for name, row in versions[every[0]].items():
        measured = " | ".join(tell(versions[v][name]) if name in versions[v] else "" for v in every)
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
    path = _GALLERY / "benchmark.json"
    rows = read(path)[1]
    history = json.loads(path.read_text(encoding="utf-8"))["history"]
    measured = " and ".join(sorted({entry["time"][:10] for entry in history}))
    lines = [f"| measured on {measured} | times as fast |", "| --- | ---: |"]
    for name, shown in _SHOWN.items():
        lines.append(f"| {shown} | {tell(rows[name])}{' (they win)' if rows[name]['value'] < 1 else ''} |")
    return "\n".join(lines) + "\n"


def run_example(text: str) -> str:
    """What the README's example prints, without blanks at the ends of lines."""
    found = _EXAMPLE.search(text)
    assert found is not None
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(compile(found["code"], "README.md", "exec"), {})
    return "".join(f"{line.rstrip()}\n" for line in shown.getvalue().splitlines())


def find_repository() -> str:
    """Owner and name on GitHub, from `[project.urls]` of pyproject.toml; nothing while it is published nowhere."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project.get("urls", {}).get("Repository", "")).removeprefix(_GITHUB)


def find_addressed() -> list[Path]:
    """The files that say where the repository is."""
    notebooks = (ROOT / "experiments" / "notebooks").glob("*.ipynb")
    return [ROOT / "README.md", ROOT / "CITATION.cff", ROOT / "jaxreg" / "errors.py", *sorted(notebooks)]


def address(path: Path, text: str, repository: str) -> str:
    """The text of such a file, with the address; without one, badges lead to where a notebook can be uploaded."""
    if path.name == "CITATION.cff":
        line = f'repository-code: "{_GITHUB}{repository}"\n' if repository else ""
        return re.sub(r"^(?:repository-code: .*\n)?(?=version: )", line, text, flags=re.MULTILINE)
    if path.name == "errors.py":
        pages = f"{_GITHUB}{repository}/blob/main/docs/" if repository else "docs/"
        return re.sub(r'(?<=^DOCUMENTATION = ")[^"]*', pages, text, flags=re.MULTILINE)
    name = "quickstart.ipynb" if path.name == "README.md" else path.name
    elsewhere = "docs/notebooks.md" if path.name == "README.md" else _COLAB
    opened = f"{_COLAB}github/{repository}/blob/main/experiments/notebooks/{name}" if repository else elsewhere
    source = f"git+{_GITHUB}{repository}" if repository else ""
    text = re.sub(r'(?<=SOURCE = \\")[^"\\]*', source, text)
    return _BADGE.sub(lambda badge: f"{badge[1]}({opened})", text)


def main() -> None:
    """Write all of it."""
    path = ROOT / "README.md"
    text = path.read_text(encoding="utf-8")
    shown = run_example(text)
    text = _EXAMPLE.sub(lambda found: f"```python\n{found['code']}```\n\n```text\n{shown}```", text)
    path.write_text(_SPEED.sub(render_few(), text), encoding="utf-8")
    for place in find_addressed():
        place.write_text(address(place, place.read_text(encoding="utf-8"), find_repository()), encoding="utf-8")


if __name__ == "__main__":
    main()
