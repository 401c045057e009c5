"""The page of verdicts: each study with its figure and every claim, from what `python -m paper_figures.record` kept."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

_MARKS = {"holds": "✓", "fails": "✗", "undecided": "?"}
_HEAD = """# Gallery of verdicts

{studies} studies, {claims} claims from tutorials and literature, and what populations of runs say of them: {counts}.
*Holds* and *fails*: the whole interval is on one side of what is claimed. *Undecided*: it is not, or the sentence was not
tried. Intervals are of 95 %, *n* is the number of runs behind an effect.

These are the studies' smallest presets, of few runs: seconds each, on the digits in the package. `python -m paper_figures
NAME --preset laptop` asks more runs, and its page says the same about them, with the provenance of every number.
This page was written by `python -m paper_figures.record`, from [what it kept](kept/studies.json).

"""


def render(kept: Path) -> str:
    """The page in Markdown."""
    studies = json.loads((kept / "studies.json").read_text(encoding="utf-8"))
    rows = [row for study in studies for row in study["ledger"]]
    counts = Counter(row["status"] for row in rows)
    said = ", ".join(f"{counts[status]} {_mark(status)}" for status in _MARKS)
    parts = [_HEAD.format(studies=len(studies), claims=len(rows), counts=said)]
    for subject, group in groupby(studies, lambda study: study["subject"]):
        parts.append(f"## {subject}\n")
        parts += map(_render_study, group)
    return "\n".join(parts)


def _mark(status: str) -> str:
    return f'<span class="{status}">{_MARKS[status]} {status}</span>'


def _render_study(study: Mapping[str, Any]) -> str:
    name = study["name"]
    return f"""### {name}

{study["title"]}. *{study["runs"]}; preset {study["preset"]}.*

[![{_escape(study["caption"])}](kept/{name}.png){{ loading=lazy }}](kept/{name}.png)

{_render_ledger(study["ledger"])}
??? note "What the figure shows"
    {study["caption"]}
"""


def _render_ledger(ledger: Sequence[Mapping[str, Any]]) -> str:
    if not ledger:
        return ""
    lines = ["| claim | verdict | effect | interval | claimed | n |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for row in ledger:
        low, high = _number(row["low"], "-∞"), _number(row["high"], "∞")
        effect = f"{_number(row['effect'], 'not tried')} {row['unit']}".strip()
        cells = [
            f"{row['claim']} *({row['source']})*",
            _mark(row["status"]),
            effect,
            f"{low} to {high}",
            _bound(row["bounds"]),
            f"{row['n']:,}",
        ]
        lines.append(f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _number(value: float | None, missing: str) -> str:
    return (missing if value is None else f"{value:.3g}").replace("-", "−")


def _bound(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    if high is None:
        return f"> {_number(low, '')}"
    return f"< {_number(high, '')}" if low is None else f"{_number(low, '')} to {_number(high, '')}"


def _escape(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace('"', "”")
