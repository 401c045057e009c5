"""The README is true: its example prints what it says, its commands are those of CI, its links lead somewhere."""

import re
from pathlib import Path

import numpy as np
import pytest

from tests.test_docs import blocks, tool

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_one_screen():
    assert len(TEXT.splitlines()) <= 80
    assert max(map(len, TEXT.splitlines())) <= 180


def test_the_example_prints_what_it_says():
    (code,) = blocks(ROOT / "README.md", "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 16
    (said,) = blocks(ROOT / "README.md", "text")
    shown = tool("readme").run_example(TEXT)

    def read(text):
        return np.array([line.split() for line in text.splitlines()[2:]], float)

    assert shown.splitlines()[:2] == said.splitlines()[:2]
    assert read(said).shape == (4, 3)
    np.testing.assert_allclose(read(shown), read(said), rtol=1e-3)  # XLA's rounding differs from version to version
    # Ornstein-Uhlenbeck: smaller batches and larger rates wander further.
    assert (read(said)[:, 1] > 3 * read(said)[:, 2]).all()


def test_the_commands_are_those_that_ci_runs():
    commands = [line for block in blocks(ROOT / "README.md", "bash") for line in block.strip().splitlines()]
    assert commands == [
        "python3 -m pip install -e . && python3 -m paper_figures",
        "python3 -m pip install -e '.[test]' && python3 -m pytest",
    ]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "install --quiet -e . && python3 -m paper_figures" in script
    assert re.search(r"install --quiet -e '\.\[test\b", script)  # with what else the checks need
    assert re.search(r"^python3 -m pytest > ", script, re.MULTILINE)


@pytest.mark.parametrize("path", re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT))
def test_links_and_pictures_exist(path):
    assert (ROOT / path).exists()
    if path.endswith(".png"):
        assert (ROOT / path).stat().st_size < 150_000


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem
)
def test_the_extras_named_exist(path):
    declared = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for extras in re.findall(r"'\.\[([\w,-]+)\]'", path.read_text(encoding="utf-8")):
        assert all(re.search(rf"^{extra} = ", declared, flags=re.MULTILINE) for extra in extras.split(","))


def test_the_repository_has_one_address_or_none():
    """What is there says what pyproject.toml does; a published one reaches every file, and leaves it whole."""
    site = tool("readme")
    for path in site.find_addressed():
        text = path.read_text(encoding="utf-8")
        assert site.address(path, text, site.find_repository()) == text
        published = site.address(path, text, "somebody/name")
        assert "https://github.com/somebody/name" in published or "/github/somebody/name/" in published
        assert site.address(path, published, "") == site.address(path, text, "")


def test_speed_is_what_was_measured():
    (said,) = re.findall(r"<!-- speed -->\n(.*?)<!-- /speed -->", TEXT, flags=re.DOTALL)
    assert said == tool("readme").render_few()
    assert len(said.splitlines()) == 2 + 5
    assert said.count("they win") == 1
