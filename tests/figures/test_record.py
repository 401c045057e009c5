"""What is kept of figures for the documentation: verdicts as the page has them, pictures that are small."""

import json

import numpy as np
from PIL import Image

from paper_figures.record import keep


def _entry(name, status, preset="quick"):
    made = {"config": {"seeds": 2}, "history": [{"versions": {"jax": "1", "jaxreg": "2"}}]}
    row = {"claim": "It helps", "status": status}
    return {"name": name, "title": "T", "subject": "S", "preset": preset, "runs": "2 runs", "caption": "C"} | {
        "ledger": [row],
        "provenance": made,
        "movies": [],
    }


def test_studies_are_merged_by_name_and_pictures_shrink(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (600, 1600, 3), dtype=np.uint8)
    for name in "ab":
        Image.fromarray(noise).save(tmp_path / f"{name}.png")
    gallery = tmp_path / "gallery"
    gallery.mkdir()
    keep([_entry("b", "holds"), _entry("a", "fails")], tmp_path, gallery)
    keep([_entry("b", "undecided")], tmp_path, gallery)
    kept = json.loads((gallery / "studies.json").read_text())
    assert [(study["name"], study["ledger"][0]["status"]) for study in kept] == [("a", "fails"), ("b", "undecided")]
    assert kept[0]["config"] == {"seeds": 2}
    assert (kept[0]["jax"], kept[0]["jaxreg"]) == ("1", "2")
    with Image.open(gallery / "a.png") as small:
        assert small.size == (1200, 450)
        assert small.mode == "P"


def test_another_preset_adds_its_verdicts_and_leaves_the_picture(tmp_path):
    Image.new("RGB", (1600, 600)).save(tmp_path / "a.png")
    keep([_entry("a", "undecided")], tmp_path, tmp_path)
    before = (tmp_path / "a.png").read_bytes()
    for status in ("fails", "holds"):
        keep([_entry("a", status, "laptop")], tmp_path, tmp_path)
    keep([_entry("a", "fails", "paper")], tmp_path, tmp_path)
    assert (tmp_path / "a.png").read_bytes() == before
    keep([_entry("a", "undecided")], tmp_path, tmp_path)
    (study,) = json.loads((tmp_path / "studies.json").read_text())
    assert (study["preset"], study["ledger"][0]["status"]) == ("quick", "undecided")
    assert {preset: told["ledger"][0]["status"] for preset, told in study["also"].items()} == {
        "laptop": "holds",
        "paper": "fails",
    }
