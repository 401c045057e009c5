"""`python -m paper_figures.record [NAME ...]`: draw figures, and keep pictures and verdicts for the documentation.

Takes what `python -m paper_figures` takes; without a name, all figures of the quick preset. What a study came to is
kept in `paper_figures/gallery/studies.json`, beside its picture; studies that are not drawn keep what is there. A study
of another preset than that of its picture adds its verdicts to it.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from jaxreg.study.figures import draw_figures
from paper_figures.__main__ import STUDIES

GALLERY = Path(__file__).parent / "gallery"
_KEPT = ("name", "title", "subject", "preset", "runs", "caption", "ledger")
_ALSO = ("runs", "ledger", "config", "jax", "jaxreg")
_WIDTH = 1200  # pixels
_COLORS = 96


def keep(told: Sequence[Mapping[str, Any]], pictures: Path, gallery: Path) -> None:
    """Merge what a page of figures says into the gallery, and shrink its pictures into it.

    What is of another preset than the picture that is there is kept in `also`, by preset.

    Args:
        told: entries of `index.json`, which lies beside a page.
        pictures: folder of their PNG files.
        gallery: folder that keeps `studies.json` and small pictures.
    """
    path = gallery / "studies.json"
    studies = {study["name"]: study for study in json.loads(path.read_text())} if path.exists() else {}
    for entry in told:
        versions = entry["provenance"]["history"][-1]["versions"]
        made = {"config": entry["provenance"]["config"], "jax": versions["jax"], "jaxreg": versions["jaxreg"]}
        study = {key: entry[key] for key in _KEPT} | made
        there = studies.get(entry["name"], study)
        if there["preset"] != study["preset"]:
            there.setdefault("also", {})[study["preset"]] = {key: study[key] for key in _ALSO}
            continue
        if "also" in there:
            study["also"] = there["also"]
        studies[entry["name"]] = study
        with Image.open(pictures / f"{entry['name']}.png") as picture:
            small = picture.convert("RGB").resize((_WIDTH, round(_WIDTH * picture.height / picture.width)))
            small.quantize(_COLORS).save(gallery / f"{entry['name']}.png", optimize=True)
    every = sorted(studies.values(), key=lambda study: (study["subject"], study["name"]))
    path.write_text(json.dumps(every, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str]) -> int:
    """Draw, then keep; return the exit code of the drawing."""
    page = STUDIES.output / "index.json"
    page.unlink(missing_ok=True)
    code = draw_figures(arguments or ["--all"], STUDIES)
    if page.exists():  # what could be drawn is kept
        keep(json.loads(page.read_text(encoding="utf-8")), STUDIES.output, GALLERY)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
