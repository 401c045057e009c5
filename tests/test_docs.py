"""What the pages and the README say is true: their code runs as written, and the numbers are those that were kept."""

import contextlib
import doctest
import functools
import importlib.util
import io
import json
import re
import sys
import types
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.study.catalogue import list_modules
from tests.marks import slow

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
_SLOW = {"hypergradients", "landscapes", "linear", "contributing"}  # seconds of compiling
_NEEDS = {
    "accelerators": "a chip, or its compiler",
    "models": "below, on few images",
    "distributed": "workers and clusters; tests/engine/test_distribute",
    "explorer": "a result; tests/explorer",
}


def _one_penalty_in_three_places(page):
    assert int(page.fit.status) == 0
    assert (page.fit.coef != 0).tolist() == [True, True] + [False] * 6
    shares = page.result["zero_fraction"].isel(epoch=-1).mean("seed").values
    assert shares[0] == 0 < shares[1]
    assert page.figure.axes[3].get_title(loc="left") == "(d) log sum"


_SHOWS = {"linear": _one_penalty_in_three_places}
_PAGES = [path.stem for path in sorted(DOCS.glob("*.md"))]


def blocks(path, language):
    """Code in fences; none that the site only takes from a file."""
    found = re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [code for code in found if not code.startswith("--8<--")]


@functools.cache
def tool(name):
    """A module of what builds the site."""
    place = importlib.util.spec_from_file_location(f"docs_{name}", DOCS / "_site" / f"{name}.py")
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    return module


def _same_but_for_rounding(printed, shown):
    """XLA's rounding differs from version to version."""
    ours, theirs = printed.split(), shown.split()
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        with contextlib.suppress(ValueError):
            assert float(one) == pytest.approx(float(other), rel=0.02)
            continue
        assert one == other


def _marked(page):
    return pytest.param(page, marks=[pytest.mark.slow] * (page in _SLOW))


@pytest.mark.parametrize(
    "page", [_marked(page) for page in _PAGES if page not in _NEEDS and blocks(DOCS / f"{page}.md", "python")]
)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType(f"page_{page}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # where dataclasses look for their module
    text = (DOCS / f"{page}.md").read_text(encoding="utf-8")
    for code in blocks(DOCS / f"{page}.md", "python"):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            # The number of devices is that of the tests.
            exec(compile(code.replace("jr.use_all_cores()", "jr"), f"{page}.md", "exec"), module.__dict__)
        if shown := re.match(r"```\n\n```text\n(.*?)```", text.partition(code)[2], flags=re.DOTALL):
            _same_but_for_rounding(printed.getvalue(), shown[1])
    _SHOWS.get(page, lambda module: None)(module)
    plt.close("all")


@pytest.mark.parametrize("page", [_marked(page) for page in _PAGES if blocks(DOCS / f"{page}.md", "pycon")])
def test_the_sessions_of_a_page_print_what_they_say(page):
    session = "\n".join(blocks(DOCS / f"{page}.md", "pycon"))
    test = doctest.DocTestParser().get_doctest(session, {}, f"{page}.md", None, None)
    assert test.examples
    assert doctest.DocTestRunner().run(test).failed == 0


def test_every_page_is_in_the_navigation():
    listed = re.findall(r"^ +- ([\w/]+)\.md", (ROOT / ".mkdocs.yml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {*_PAGES, "index", "changelog"} == set(listed)  # the last two are README and CHANGELOG


def _few(name, train=40, test=8, flatten=True):
    """Pictures of 8 x 8 pixels, few of them."""
    random = np.random.default_rng(0)
    shape = (64,) if flatten else (8, 8)
    x, y = random.random((48, *shape)).astype(np.float32), random.integers(0, 10, 48).astype(np.int32)
    return x[:40], y[:40], x[40:], y[40:]


class _Data(tuple):
    x_train, y_train, x_test, y_test = (property(lambda self, i=i: self[i]) for i in range(4))


@pytest.mark.parametrize(
    "code", [slow(blocks(DOCS / "models.md", "python")[0], id="linen"), *blocks(DOCS / "models.md", "python")[1:]]
)
def test_a_model_of_ones_own_is_a_population_in_25_lines(code, monkeypatch):
    lines = [line for line in code.splitlines() if line.strip()]
    assert len(lines) <= 25
    monkeypatch.setattr(jr.datasets, "load", lambda *args, **options: _Data(_few(*args, **options)))
    space = {}
    exec(
        compile(code.replace("jr.seeds(16)", "jr.seeds(2)").replace("epochs=3", "epochs=1"), "models.md", "exec"), space
    )
    result = space["result"]
    assert result["test_accuracy"].dims[0] == "seed"
    assert result["test_accuracy"].dims[-1] == "epoch"
    assert np.isfinite(result["test_loss"]).all()


def test_the_gallery_has_all_claims_of_its_studies():
    studies = {study["name"]: study for study in json.loads((ROOT / "paper_figures/gallery/studies.json").read_text())}
    modules = list_modules("experiments", "run")
    assert set(studies) <= set(modules) - {"benchmark"}
    for name, study in studies.items():
        module = importlib.import_module(modules[name].path)
        assert [row["claim"] for row in study["ledger"]] == [claim.text for claim in module.CLAIMS]
        for ledger in (study["ledger"], *(told["ledger"] for told in study.get("also", {}).values())):
            assert [row["status"] for row in ledger] == [jr.claims.reconsider(row) for row in ledger]
        assert (ROOT / "paper_figures" / "gallery" / f"{name}.png").stat().st_size < 150_000
    page = tool("gallery").render(ROOT / "paper_figures" / "gallery")
    assert page.count("; claimed ") == sum(len(study["ledger"]) for study in studies.values())


@pytest.mark.slow
def test_the_gallery_lacks_no_study():
    """Before a release: `python -m paper_figures.record NAME` adds those that are newer than it."""
    studies = json.loads((ROOT / "paper_figures/gallery/studies.json").read_text())
    assert {study["name"] for study in studies} == set(list_modules("experiments", "run")) - {"benchmark"}


def test_the_tables_of_speed_have_every_row_that_was_measured():
    rows = json.loads((ROOT / "paper_figures/gallery/benchmark.json").read_text())["rows"]
    page = tool("readme").render_speed(ROOT / "paper_figures" / "gallery")
    assert len(page.splitlines()) == len(rows) + 2
    assert page.count("**missed**") == 2
    assert "| 7,710 × |" in page
