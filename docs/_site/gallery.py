"""The page of verdicts: each study with its figure and every claim, from what `python -m paper_figures.record` kept."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

_MARKS = {"holds": "✓", "fails": "✗", "undecided": "?"}


def render(kept: Path) -> str:
    """The page in Markdown."""
    studies = json.loads((kept / "studies.json").read_text(encoding="utf-8"))
    rows = [row for study in studies for row in study["ledger"]]
    counts = Counter(row["status"] for row in rows)
    said = ", ".join(f"{counts[status]} {_mark(status)}" for status in _MARKS)
    parts = [f"**{len(studies)} studies, {len(rows)} claims: {said}.**\n"]
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

{_render_ledger(study)}
??? note "What the figure shows"
    {study["caption"]}
"""


def _render_ledger(study: Mapping[str, Any]) -> str:
    """A list, not a table: sentences are long, and a phone is narrow."""
    others = {preset: {row["claim"]: row for row in told["ledger"]} for preset, told in study.get("also", {}).items()}
    return "".join(
        _render_claim(row, {preset: rows[row["claim"]] for preset, rows in others.items() if row["claim"] in rows})
        for row in study["ledger"]
    )


def _render_claim(row: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]]) -> str:
    """A verdict with what it is made of, and what larger presets said of the same claim."""
    also = "".join(f"; {preset}: {_mark(other['status'])}, {_measured(other)}" for preset, other in others.items())
    return f"""- {_mark(row["status"])}: {row["claim"]} *({row["source"]})*

    {_measured(row)}; claimed {_bound(row["bounds"])}{also}

"""


def _measured(row: Mapping[str, Any]) -> str:
    low, high = _number(row["low"], "-∞"), _number(row["high"], "∞")
    return f"{_number(row['effect'], 'not tried')} [{low}, {high}] {row['unit']}".strip() + f", n = {row['n']:,}"


def _number(value: float | None, missing: str) -> str:
    return (missing if value is None else f"{value:.3g}").replace("-", "−")


def _bound(bounds: Sequence[float | None]) -> str:
    low, high = bounds
    if high is None:
        return f"> {_number(low, '')}"
    return f"< {_number(high, '')}" if low is None else f"{_number(low, '')} to {_number(high, '')}"


def _escape(text: str) -> str:
    return text.replace("[", "(").replace("]", ")").replace('"', "”")
