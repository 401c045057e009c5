"""The page that shows the figures, what the claims came to, and where every number is from."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any

from jaxreg.claims import read_bound

_HEADS = ("Claim", "Source", "Verdict", "Effect", "Interval", "Claimed", "n")
_MARKS = {"holds": "✓", "fails": "✗", "undecided": "?"}
_REFRESH_SECONDS = 10
_PIXELS_PER_INCH = 125  # 8-point text of a figure is as large as the text of the page


@dataclass(frozen=True)
class Movie:
    """One animation of an entry."""

    name: str
    """Stem of the player and the GIF, which lie beside the page."""
    title: str
    pixels: tuple[int, int]
    """Width and height of the player, its buttons included."""


@dataclass(frozen=True)
class Entry:
    """One figure of the page, with all that is said about it."""

    name: str
    """Stem of the PDF and the PNG, which lie beside the page."""
    title: str
    caption: str
    inches: tuple[float, float]
    """Width and height of the figure."""
    runs: str
    """How many runs stand behind it, in words."""
    ledger: Sequence[Mapping[str, Any]]
    """Rows of `jaxreg.claims.ledger`."""
    provenance: Mapping[str, Any]
    """What made the numbers: nested names and values."""
    movies: Sequence[Movie] = ()
    """Its animations."""
    subject: str = ""
    """What it belongs to; figures of one subject follow each other."""
    preset: str = ""
    """How large the study was; "quick" is said beside the figure."""


def write(path: Path, entries: Sequence[Entry], missing: int = 0) -> None:
    """Write the page, and all that it says as JSON beside it, each at once as a whole.

    Who opens the page while figures are being made finds no half of one.
    """
    told = json.dumps([asdict(entry) for entry in entries], ensure_ascii=False, indent=1, default=str)
    for target, text in ((path.with_suffix(".json"), told), (path, render(entries, missing))):
        part = target.with_name(f"{target.name}.part")
        part.write_text(text, encoding="utf-8")
        part.replace(target)


def render(entries: Sequence[Entry], missing: int = 0) -> str:
    """The page as HTML that needs nothing but the files of figures and animations beside it.

    Args:
        entries: the figures, from top to bottom, those of a subject together.
        missing: how many are still being made; the page says so, and reads itself again until there are none.
    """
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        refresh=f'<meta http-equiv="refresh" content="{_REFRESH_SECONDS}">\n' if missing else "",
        progress=f"<p>{missing} more to come: this page reads itself again.</p>\n" if missing else "",
        filters=_render_filters(entries),
        gallery="\n".join(_render_subject(*group) for group in groupby(entries, lambda entry: entry.subject)),
        articles="\n".join(map(_render_article, entries)),
    )


def _count(entries: Iterable[Entry]) -> Counter[str]:
    return Counter(row["status"] for entry in entries for row in entry.ledger)


def _render_filters(entries: Sequence[Entry]) -> str:
    """Buttons that show all claims, or those of one verdict; the style sheet hides the others."""
    counts = _count(entries)
    words = {"all": f"all {counts.total()}"} | {
        status: f'<span class="{status}">{mark} {status} {counts[status]}</span>' for status, mark in _MARKS.items()
    }
    return "\n".join(
        f'<label><input type="radio" name="show" id="show-{key}"{_set(key, counts)}> {text}</label>'
        for key, text in words.items()
    )


def _set(key: str, counts: Counter[str]) -> str:
    """All is chosen at first; a verdict that no claim has cannot be."""
    return " checked" if key == "all" else " disabled" if not counts[key] else ""


def _render_subject(subject: str, entries: Iterable[Entry]) -> str:
    cards = list(entries)
    head = f"<h2>{escape(subject)}</h2>\n" if subject else ""
    links = "\n".join(map(_render_card, cards))
    return f'<section class="{_list_verdicts(cards)}">\n{head}<ul>\n{links}\n</ul>\n</section>'


def _list_verdicts(entries: Iterable[Entry]) -> str:
    """Classes for the filters: the verdicts that there are."""
    return " ".join(f"has-{status}" for status in _MARKS if _count(entries)[status])


def _render_card(entry: Entry) -> str:
    counts = _count([entry])
    verdicts = " ".join(
        f'<span class="{status}" role="img" aria-label="{counts[status]} {status}">{mark} {counts[status]}</span>'
        for status, mark in _MARKS.items()
        if counts[status]
    )
    name, title = escape(entry.name), escape(entry.title)
    return f"""<li class="{_list_verdicts([entry])}">
<a href="#{name}"><img src="{name}.png" alt="" loading="lazy">{title}</a>
<span class="verdict">{verdicts or "no claims"}</span></li>"""


def _render_article(entry: Entry) -> str:
    name = escape(entry.name)
    width, height = (round(_PIXELS_PER_INCH * inches) for inches in entry.inches)
    called = f"{name} --preset {escape(entry.preset)}" if entry.preset else name
    few = '<p class="quick">Quick preset: few runs, wide intervals.</p>\n' if entry.preset == "quick" else ""
    return f"""<article id="{name}" class="{_list_verdicts([entry])}">
<h2>{escape(entry.title)}</h2>
{few}<figure>
<a href="{name}.png">
<img src="{name}.png" width="{width}" height="{height}" alt="{escape(entry.title)}" loading="lazy"></a>
<figcaption><p>{escape(entry.caption)}</p></figcaption>
</figure>
<p class="quiet">{escape(entry.runs)} · <code>{called}</code> · <a href="{name}.pdf">PDF</a>
· <a href="#figures">all figures</a></p>
{"".join(map(_render_movie, entry.movies))}{render_ledger(entry.ledger)}
<details><summary>Provenance</summary><table>
{render_provenance(entry.provenance)}
</table></details>
</article>"""


def _render_movie(movie: Movie) -> str:
    name, title = escape(movie.name), escape(movie.title)
    width, height = movie.pixels
    return f"""<figure>
<iframe src="{name}.html" width="{width}" height="{height}" title="{title}" loading="lazy"></iframe>
<figcaption><p>{title}. <span class="quiet"><a href="{name}.html">player</a> · <a href="{name}.gif">GIF</a></span></p>
</figcaption>
</figure>
"""


def render_ledger(ledger: Sequence[Mapping[str, Any]]) -> str:
    """Rows of `jaxreg.claims.ledger` as a table with its heading; nothing without any."""
    if not ledger:
        return ""
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    rows = "\n".join(map(_render_verdict, ledger))
    return f"""<h3>Claims</h3>
<table class="ledger"><thead><tr>{head}</tr></thead>
<tbody>
{rows}
</tbody></table>"""


def _render_verdict(row: Mapping[str, Any]) -> str:
    status, unit = row["status"], escape(row["unit"])
    cells = {
        "Claim": ("", escape(row["claim"])),
        "Source": ("", escape(row["source"])),
        "Verdict": (f"verdict {status}", f"{_MARKS[status]} {status}"),
        "Effect": ("number", f"{_render_number(row['effect'], 'not measured')} {unit}".rstrip()),
        "Interval": ("number interval", f"{_render_number(row['low'], '−∞')} to {_render_number(row['high'], '∞')}"),
        "Claimed": ("number claimed", escape(str(read_bound(dict(row))).replace("-", "−"))),
        "n": ("number n", f"{row['n']:,}"),
    }
    columns = (f'<td data-label="{name}" class="{kind}">{text}</td>' for name, (kind, text) in cells.items())
    return f'<tr class="has-{status}">{"".join(columns)}</tr>'


def _render_number(value: float | None, missing: str) -> str:
    return missing if value is None else f"{value:.3g}".replace("-", "−")


def render_provenance(provenance: Mapping[str, Any]) -> str:
    """Nested names and values as rows of a table, the names dotted."""
    return "\n".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in _flatten(provenance)
    )


def _flatten(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Nested mappings, and lists of them, as pairs of a dotted name and a text."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flatten(part, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and all(isinstance(part, Mapping) for part in value):
        for number, part in enumerate(value, start=1):
            yield from _flatten(part, f"{name}.{number}")
    else:
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
