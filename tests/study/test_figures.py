"""`draw_figures`, the command of a folder of figures, and its page: what is computed, kept, shown and refused."""

import json
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from PIL import Image

import jaxreg
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, judge, ledger
from jaxreg.engine.catalog import open_catalog
from jaxreg.engine.folder import Folder
from jaxreg.engine.lock import hold_lock
from jaxreg.study import page as page_module
from jaxreg.study.catalogue import list_modules
from jaxreg.study.figures import Studies, draw_figures
from jaxreg.study.page import Entry, Movie, render
from paper_figures.__main__ import STUDIES

_EXPERIMENT = '''"""What a die shows."""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.claims import Above, Claim, estimate
from jaxreg.errors import DataError


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of the die."""

    seeds: int = 3
    """Number of throws."""
    sides: int = 6
    """Number of sides."""
    dataset: Literal["digits", "mnist"] = "digits"
    """Which die."""


PRESETS = {"quick": Config(seeds=2), "laptop": Config(), "paper": Config(seeds=9)}
CONFIGS, PROGRESS = [], []


def throw(start, *, seed, weight):
    return {"eyes": start + weight * jax.random.uniform(seed)}


def run(config, store=None, progress=True):
    CONFIGS.append((config, store))
    PROGRESS.append(progress)
    if config.dataset == "mnist" and config.seeds == 13:
        raise DataError("mnist", "train.gz", "is truncated", "Delete it and try again")
    axes = {"seed": jr.seeds(config.seeds), "weight": jnp.array([1.0, 2.0], jnp.float32)}
    return jr.sweep(throw, axes, args=(jnp.float32(config.sides),), store=store, progress=False)


def measure(dataset):
    return estimate(jr.stats.mean(dataset, "eyes", dim=("seed", "weight")), "eyes")


CLAIMS = (Claim("A die shows more than 1 <on average>", "Pascal & Fermat 1654", measure, Above(1.0)),)
'''
_MOVING = """

from jaxreg.plotting.animation import Animation


def animations(dataset):
    with plotting.style():
        figure, axes = plt.subplots(figsize=(2.0, 1.0))
    plt.close(figure)
    (ball,) = axes.plot([], [], "o")
    axes.set(xlim=(-1, 1), ylim=(-1, 1))

    def draw_frame(k):
        ball.set_data([k / 4], [0.0])
        return [ball]

    return {"roll": Animation(figure, draw_frame, 4, "A die & how it rolls")}
"""
_FIGURE = '''"""What a die shows & why."""

import matplotlib.pyplot as plt

from jaxreg import plotting

CAPTION = "Throws of a die; the line is <em>not</em> a band."
DRAWN, FIGURES = [], []


def draw(dataset):
    DRAWN.append(dataset.load())
    with plotting.style():
        figure, axes = plt.subplots(figsize=(plotting.COLUMN_WIDTH, 2.0))
        axes.plot(dataset["weight"], dataset["eyes"].mean("seed"))
    FIGURES.append(figure)
    return figure
'''


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Names of a package of figures and of one of experiments: `die` has a field `dataset`, `plain` has none."""
    figures, experiments = f"figures_{tmp_path.name}", f"experiments_{tmp_path.name}"
    plain = _EXPERIMENT.replace('    dataset: Literal["digits", "mnist"] = "digits"\n    """Which die."""\n', "")
    plain = plain.replace('config.dataset == "mnist" and config.seeds == 13', "False")
    sources = {
        figures: {"__init__": "", "die": _FIGURE, "plain": _FIGURE, "helper": "raise ImportError\n"},
        experiments: {"__init__": "", "die": _EXPERIMENT, "plain": plain},
    }
    for package, modules in sources.items():
        (tmp_path / package).mkdir()
        for module, text in modules.items():
            (tmp_path / package / f"{module}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(jaxreg, "use_all_cores", lambda: 2)  # JAX has started: conftest chose its devices
    yield figures, experiments
    for module in [m for m in sys.modules if m.partition(".")[0] in (figures, experiments)]:
        del sys.modules[module]


@pytest.fixture
def main(packages, tmp_path):
    """The command with these words, in one process, into a folder."""
    figures, experiments = packages

    def run(*words, out=tmp_path / "out"):
        home = tmp_path / "home"
        studies = Studies(experiments, figures, "python3 -m figures", home / "output", home / "results")
        return draw_figures([*words, *(() if "--jobs" in words else ("--jobs", "1")), "--out", str(out)], studies)

    return run


class _Page(HTMLParser):
    """Elements, texts and references of a page; unbalanced tags fail."""

    _VOID = frozenset({"meta", "img", "link", "br", "input"})

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.references, self.cells, self.texts = [], [], [], [], []
        self.feed(source)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in ("src", "href")]
        if tag not in self._VOID:
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def _entry(**changes):
    claims = [
        Claim("It helps", "T1", lambda _: Estimate(0.25, (0.125, 0.5), 1234, "points"), Above(0)),
        Claim("It heals", "T2", lambda _: Estimate(-2.0, (-3.0, -1.0), 20), Inside(-0.5, 1)),
        Claim("It hums", "T3", lambda _: None, Below(7)),
    ]
    values = {
        "name": "die", "title": "A die", "caption": "A caption.", "inches": (2.0, 1.0), "runs": "20 runs, 1 diverged",
        "ledger": ledger(judge(claims, xr.Dataset())),
        "provenance": {"config": {"seeds": 20, "rates": [0.5]}, "history": [{"commit": "c0ffee"}]},
    }  # fmt: skip
    return Entry(**values | changes)


def test_page_shows_each_figure_with_all_that_belongs_to_it():
    source = render([_entry(), _entry(name="other", title="Another", ledger=[])])
    page = _Page(source)
    assert {"die.png", "die.pdf", "#die", "other.png", "other.pdf", "#other"} <= set(page.references)
    assert page.tags.count("article") == 2
    for text in ("A die", "Another", "A caption.", "20 runs, 1 diverged"):
        assert text in page.text
    assert page.cells[-6:] == ["config.seeds", "20", "config.rates", "[0.5]", "history.1.commit", "c0ffee"]
    assert 'id="other"' in source


def test_page_shows_every_verdict_in_words_with_effect_interval_and_n():
    cells = _Page(render([_entry()])).cells
    rows = [cells[i : i + 7] for i in range(7, 28, 7)]
    assert rows == [
        ["It helps", "T1", "✓ holds", "0.25 points", "0.125 to 0.5", "> 0", "1,234"],
        ["It heals", "T2", "✗ fails", "−2", "−3 to −1", "−0.5 to 1", "20"],
        ["It hums", "T3", "? undecided", "not measured", "−∞ to ∞", "< 7", "0"],
    ]


def test_gallery_shows_verdicts_at_a_glance_by_subject():
    of = {"subject": "Networks & more"}
    source = render([_entry(**of), _entry(name="other", ledger=[], **of), _entry(name="alone", subject="Rest")])
    page = _Page(source[source.index("<nav") : source.index("</nav>") + len("</nav>")])
    assert (page.tags.count("section"), page.tags.count("li"), page.tags.count("img")) == (2, 3, 3)
    verdicts = "✓ 1 ✗ 1 ? 1"
    assert page.text.count(verdicts) == 2
    assert page.text == f"Networks & more A die {verdicts} A die no claims Rest A die {verdicts}"
    assert _Page(source).text.count("Networks & more") == 1
    assert "<h2></h2>" not in render([_entry()])


def test_claims_can_be_filtered_by_verdict():
    """By the style sheet alone: what has none of the chosen verdict is hidden, be it a row, a figure or its card."""
    source = render([_entry(), _entry(name="other", ledger=[])])
    page = _Page(source)
    assert "all 3 ✓ holds 1 ✗ fails 1 ? undecided 1" in page.text
    for status in ("holds", "fails", "undecided"):
        assert f'id="show-{status}"' in source
        rule = f"body:has(#show-{status}:checked) :is(section, li, article, .ledger tbody tr):not(.has-{status})"
        assert rule in source
        assert f'<tr class="has-{status}">' in source
    assert source.count('<li class="has-holds has-fails has-undecided">') == 1
    assert '<article id="die" class="has-holds has-fails has-undecided">' in source
    assert '<article id="other" class="">' in source


def test_a_quick_figure_says_that_it_is_one(main, packages, tmp_path):
    assert "Quick preset: few runs" in _Page(render([_entry(preset="quick")])).text
    assert "Quick preset" not in _Page(render([_entry(preset="laptop")])).text
    for preset in ("quick", "laptop"):
        assert main("plain", "--preset", preset, out=tmp_path / preset) == 0
    (quick, laptop) = sys.modules[f"{packages[0]}.plain"].FIGURES
    assert quick.get_supxlabel() == "quick preset: few runs"
    assert laptop.get_supxlabel() == ""


def test_page_needs_nothing_from_elsewhere():
    page = render([_entry()])
    assert not re.search(r"https?:|//|@import|url\(|<script|<link", page)
    assert page == render([_entry()])


def test_page_shows_a_player_of_each_animation():
    movies = (Movie("die-roll", "A <roll>", (620, 394)), Movie("die-fall", "A fall", (300, 244)))
    source = render([_entry(movies=movies)])
    page = _Page(source)
    assert {"die-roll.html", "die-roll.gif", "die-fall.html", "die-fall.gif"} <= set(page.references)
    assert page.tags.count("iframe") == 2
    assert 'src="die-roll.html" width="620" height="394" title="A &lt;roll&gt;"' in source
    assert "A <roll>." in page.text
    assert "iframe" not in _Page(render([_entry()])).tags


def test_page_escapes_whatever_it_is_given():
    nasty = "</title><script>alert('x')</script> & \"quoted\" $contents {name}"
    claim = Claim(nasty, nasty, lambda _: Estimate(1.0, (0.5, 2.0), 3, nasty), Above(0))
    entry = _entry(
        title=nasty, caption=nasty, runs=nasty, name='a"><script>',
        ledger=ledger(judge([claim], xr.Dataset())), provenance={nasty: {nasty: nasty}},
        movies=(Movie('a"><script>', nasty, (3, 2)),),
    )  # fmt: skip
    page = _Page(render([entry]))
    assert page.tags.count("script") == 0
    assert set(page.tags) == set(_Page(render([_entry(movies=(Movie("a", "b", (3, 2)),))])).tags)
    assert page.text.count(nasty) == 11  # link, title, caption, runs, movie, claim, source, unit, provenance thrice
    assert 'a"><script>.png' in page.references


def test_call_writes_figures_page_and_results(main, packages, tmp_path, capsys):
    out = tmp_path / "out"
    assert main() == 0
    for name in ("die", "plain"):
        assert (out / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    page = _Page((out / "index.html").read_text(encoding="utf-8"))
    (made,) = json.loads(_drawn(packages)[-1].attrs["provenance"])["history"]
    for text in (
        "What a die shows & why",
        "Throws of a die; the line is <em>not</em> a band.",
        "4 runs (seed 2 × weight 2), 0 diverged",
        "A die shows more than 1 <on average>",
        "Pascal & Fermat 1654",
        "✓ holds",
        "config.sides",
        "versions.jax",
        "prng",
        "history.1.time",
        made["commit"],
        made["versions"]["jax"],
    ):
        assert text in page.text, text
    files = {path for path in page.references if not path.startswith("#")}
    assert files == {"die.png", "die.pdf", "plain.png", "plain.pdf"}
    shown = capsys.readouterr().out
    assert str(out / "index.html") in shown
    assert re.search(r"^die: .* s computing, .* s drawing; .* programs.*$", shown, re.MULTILINE)
    assert {path.name for path in out.glob("*.zarr")} == {"die-quick-digits.zarr", "plain-quick.zarr"}


@pytest.mark.slow
def test_figures_made_side_by_side_are_the_same(main, tmp_path):
    for jobs in (1, 2):
        assert main("--jobs", str(jobs), out=tmp_path / str(jobs)) == 0
    files = [{path.name: path.read_bytes() for path in (tmp_path / str(jobs)).glob("*.p*")} for jobs in (1, 2)]
    assert files[0] == files[1]


@pytest.mark.slow
def test_figures_whose_process_is_ended_are_named(main, packages, tmp_path, capsys):
    experiment = tmp_path / packages[1] / "die.py"
    experiment.write_text(experiment.read_text() + "\n\ndef run(config, **_):\n    import os\n    os._exit(9)\n")
    assert main("die", "plain", "--jobs", "2") == 2
    assert "error: die: a process that makes figures was ended" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked up in /proc")
def test_processes_end_with_the_command_however_that_ends(packages, tmp_path):
    sleeping = (
        "\n\ndef run(config, **_):\n    import os, time\n    print(os.getpid(), flush=True)\n    time.sleep(60)\n"
    )
    for name in ("die", "plain"):
        experiment = tmp_path / packages[1] / f"{name}.py"
        experiment.write_text(experiment.read_text() + sleeping)
    out = repr(str(tmp_path))
    script = tmp_path / "command.py"
    script.write_text(
        "from pathlib import Path\nfrom jaxreg.study.figures import Studies, draw_figures\n"
        f"studies = Studies({packages[1]!r}, {packages[0]!r}, 'figures', Path({out}), Path({out}))\n"
        "if __name__ == '__main__':\n    draw_figures([], studies)\n"
    )
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as command:
        command.stdout.readline()
        workers = [int(command.stdout.readline()) for _ in range(2)]
        command.kill()
    deadline = time.monotonic() + 20
    while any(map(_runs, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(_runs, workers))


def _runs(process):
    """Whether it has not ended, nor is what is left of one that nobody waited for."""
    words = Path(f"/proc/{process}/cmdline")
    return words.exists() and bool(words.read_bytes())


@pytest.mark.slow
def test_the_command_itself_makes_quick_figures_side_by_side_and_says_how_to_get_more(tmp_path):
    """Without an option; the fonts of `one_picture` make fontTools warn, in a process of its own."""
    command = [sys.executable, "-m", "paper_figures", "network_from_scratch", "one_picture"]
    run = subprocess.run([*command, "--out", str(tmp_path)], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")
    assert {path.stem for path in tmp_path.glob("*.png")} == {"network_from_scratch", "one_picture"}
    first, *figures, _page, more = run.stdout.splitlines()
    assert first == f"Figures as they come: {tmp_path / 'index.html'}"
    assert sorted(line.partition(":")[0] for line in figures) == ["network_from_scratch", "one_picture"]
    assert "python3 -m paper_figures NAME --preset laptop" in more


def test_the_page_is_written_after_every_figure(main, tmp_path, monkeypatch):
    pages, render_page = [], page_module.render
    monkeypatch.setattr(page_module, "render", lambda *made: pages.append(render_page(*made)) or pages[-1])
    assert main("plain", "die", out=tmp_path) == 0
    first, last = map(_Page, pages)
    assert (first.tags.count("article"), last.tags.count("article")) == (1, 2)
    assert "1 more to come" in first.text
    assert 'http-equiv="refresh"' in pages[0]
    assert "more to come" not in last.text
    assert "refresh" not in pages[1]
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == pages[1]
    assert not list(tmp_path.glob("*.part"))


def test_what_one_figure_stumbles_over_does_not_lose_the_others(main, packages, tmp_path, capsys):
    """An error that jaxreg foresees, told in a line, and a fault of a study, told in full."""
    (tmp_path / packages[0] / "faulty.py").write_text(_FIGURE)
    (tmp_path / packages[1] / "faulty.py").write_text(_EXPERIMENT.replace("    PROGRESS.append", "    nothing.append"))
    assert main("die", "faulty", "plain", "--dataset", "mnist", "--seeds", "13", out=tmp_path) == 2
    first, second, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("error: die: mnist = 'train.gz': is truncated")
    assert second == "error: faulty: Traceback (most recent call last):"
    assert "nothing" in last or not last
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert _Page(page).tags.count("article") == 1
    assert "refresh" not in page


def test_settings_that_cannot_be_judged_are_refused_before_any_figure_is_made(main, packages, tmp_path, capsys):
    experiment = tmp_path / packages[1] / "plain.py"
    text = experiment.read_text().replace("    seeds: int = 3", "    seeds: Seeds = 3")
    experiment.write_text(
        text.replace("import jaxreg as jr\n", "import jaxreg as jr\nfrom jaxreg.study.settings import Seeds\n")
    )
    assert main("die", "plain", "--seeds", "1") == 2
    assert "plain: seeds = 1: must be whole and 2 or more" in _error(capsys)
    assert not (tmp_path / "out").exists()


def test_without_names_it_is_a_tour_that_says_what_is_next(packages, tmp_path, capsys):
    figures, experiments = packages
    studies = Studies(experiments, figures, "figures", tmp_path / "o", tmp_path / "r", tour={"plain": "laptop"})
    assert draw_figures([], studies) == 0
    assert [config.seeds for config, _ in sys.modules[f"{experiments}.plain"].CONFIGS] == [3]
    shown = capsys.readouterr().out
    assert f"to open in a browser: {(tmp_path / 'o' / 'index.html').resolve()}" in shown
    assert "All 2 figures, of few runs each, in some minutes: figures --all" in shown
    assert f"{experiments}.die" not in sys.modules
    assert draw_figures(["--all", "--jobs", "1"], studies) == 0
    assert [config.seeds for config, _ in sys.modules[f"{experiments}.plain"].CONFIGS] == [3, 2]
    shown = capsys.readouterr().out
    assert shown.index("plain: ") < shown.index("die: ")  # the tour's first
    assert "--all" not in shown
    assert draw_figures(["--preset", "paper"], studies) == 0
    assert [config.seeds for config, _ in sys.modules[f"{experiments}.plain"].CONFIGS] == [3, 2, 9]


def test_the_tour_has_one_figure_of_each_subject():
    known = list_modules("paper_figures", "draw")
    assert sorted(known[name].subject for name in STUDIES.tour) == [
        f"paper_figures.{subject}" for subject in ("hypergradients", "landscape", "networks", "penalties", "regression")
    ]


def test_studies_of_one_subject_stand_together_on_the_page(main, packages, tmp_path):
    for package in packages:
        folder = tmp_path / package / "games"
        folder.mkdir()
        (folder / "__init__.py").write_text('"""Games, and more.\n\nOf chance.\n"""\n')
        (tmp_path / package / "die.py").rename(folder / "die.py")
    assert main(out=tmp_path) == 0
    page = _Page((tmp_path / "index.html").read_text(encoding="utf-8"))
    assert page.text.count("Games, and more") == 1
    assert page.tags.count("section") == 2


@pytest.mark.parametrize("watched", [False, True])
def test_a_bar_of_progress_is_for_terminals(main, packages, tmp_path, monkeypatch, watched):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: watched)
    assert main("plain", out=tmp_path) == 0
    assert [watched] == sys.modules[f"{packages[1]}.plain"].PROGRESS


def test_animations_of_a_figure_are_written_beside_it(main, packages, tmp_path):
    figure = tmp_path / packages[0] / "plain.py"
    figure.write_text(figure.read_text() + _MOVING)
    for folder in ("one", "two"):
        assert main("plain", "die", out=tmp_path / folder) == 0
    out = tmp_path / "one"
    page = _Page((out / "index.html").read_text(encoding="utf-8"))
    assert {name for name in page.references if "roll" in name} == {"plain-roll.html", "plain-roll.gif"}
    assert "A die & how it rolls" in page.text
    assert "<title>A die &amp; how it rolls</title>" in (out / "plain-roll.html").read_text(encoding="utf-8")
    with Image.open(out / "plain-roll.gif") as film:
        assert (film.n_frames, film.info["loop"], film.info["duration"]) == (4, 0, 300)
    for name in ("plain-roll.html", "plain-roll.gif", "plain.pdf", "plain.png"):
        assert (out / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert not list(out.glob("die-roll*"))


def _drawn(packages, name="plain"):
    return sys.modules[f"{packages[0]}.{name}"].DRAWN


def test_a_study_that_puts_its_dataset_together_itself(main, packages, tmp_path):
    experiment = tmp_path / packages[1] / "plain.py"
    bare = experiment.read_text().replace("progress=False)", "progress=False).drop_attrs(deep=False)")
    experiment.write_text(bare)
    assert main("plain") == 0
    assert "config.sides" in _Page((tmp_path / "out" / "index.html").read_text(encoding="utf-8")).text


def test_second_call_draws_again_but_computes_nothing(main, packages, tmp_path):
    assert main("plain") == 0
    store = open_catalog(Folder(tmp_path / "out" / "plain-quick.zarr"))
    eyes = store.arrays["eyes"]
    piece = store.read(eyes, (0, 0))
    piece.values[0, 0] = 77.0  # a mark, sealed like a result, that only a new computation could wipe out
    store.place.write({store.file(eyes, (0, 0)): eyes.pack(piece, store.store_id, (0, 0), store.labels)})
    before = {path: path.read_bytes() for path in (tmp_path / "out").glob("plain.*")}
    assert main("plain") == 0
    first, second = _drawn(packages)
    assert float(second["eyes"][0, 0]) == 77.0
    np.testing.assert_array_equal(second["eyes"].values.ravel()[1:], first["eyes"].values.ravel()[1:])
    assert before.keys() == set((tmp_path / "out").glob("plain.*"))

    assert main("plain", "--seeds", "5") == 0
    third = _drawn(packages)[-1]
    assert dict(third.sizes) == {"seed": 5, "weight": 2}
    assert float(third["eyes"][0, 0]) == 77.0
    assert np.isfinite(third["eyes"]).all()

    assert main("plain", "--fresh") == 0
    xr.testing.assert_equal(_drawn(packages)[-1], first)


def test_options_reach_the_experiments_that_have_them(main, packages, tmp_path):
    out = tmp_path / "out"
    assert main("--dataset", "mnist") == 0
    (die, die_store), (plain, plain_store) = (sys.modules[f"{packages[1]}.{n}"].CONFIGS[-1] for n in ("die", "plain"))
    assert (die.dataset, die.seeds) == ("mnist", 2)
    assert die_store == out / "die-quick-mnist.zarr"
    assert not hasattr(plain, "dataset")
    assert plain_store == out / "plain-quick.zarr"


def test_named_figures_alone_are_drawn_once(main, packages, tmp_path):
    assert main("die", "die") == 0
    assert len(_drawn(packages, "die")) == 1
    assert f"{packages[0]}.plain" not in sys.modules
    assert not list((tmp_path / "out").glob("plain*"))


def _error(capsys):
    """What was printed as the error: one line, no traceback."""
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
    return error


def test_unknown_figure_is_refused_with_those_known(main, tmp_path, capsys):
    assert main("dye") == 2
    error = _error(capsys)
    assert "dye" in error
    assert "Did you mean die?" in error
    assert "die, plain" in error
    assert not (tmp_path / "out").exists()


def test_an_option_that_no_figure_has_is_refused(main, capsys):
    assert main("plain", "--jobs", "0") == 2
    assert "jobs = 0: must be an integer from 1 on" in _error(capsys)
    assert main("plain", "--dataset", "mnist") == 2
    assert "--dataset = 'mnist': is not a choice of plain" in _error(capsys)


def test_an_error_of_jaxreg_is_one_line_with_its_remedy(main, capsys):
    assert main("die", "--dataset", "mnist", "--seeds", "13") == 2
    assert _error(capsys) == "error: die: mnist = 'train.gz': is truncated. Delete it and try again.\n"


def test_results_of_other_code_are_refused_until_fresh(main, packages, capsys):
    assert main("plain") == 0
    experiment = sys.modules[f"{packages[1]}.plain"]
    experiment.PRESETS["quick"] = experiment.Config(sides=20)  # other data in `args`
    assert main("plain") == 2
    assert "--fresh" in _error(capsys)
    assert main("plain", "--fresh") == 0
    assert float(_drawn(packages)[-1]["eyes"].min()) >= 20


def test_fresh_deletes_what_the_experiment_keeps_beside_its_store_too(main, tmp_path):
    out = tmp_path / "out"
    assert main("plain") == 0
    for name in ("plain-quick-parts", "plain-laptop-parts", "plainly-quick"):
        (out / f"{name}.zarr").mkdir()
    assert main("plain", "--fresh") == 0
    held = {path.name for path in out.glob("*.zarr")}
    assert held == {"plain-quick.zarr", "plain-laptop-parts.zarr", "plainly-quick.zarr"}


def test_fresh_does_not_delete_what_another_process_writes(main, tmp_path, capsys):
    assert main("plain") == 0
    store = tmp_path / "out" / "plain-quick.zarr"
    capsys.readouterr()
    with hold_lock(store):
        assert main("plain", "--fresh") == 2
    assert "is being written by process" in _error(capsys)
    assert any(store.iterdir())


@pytest.mark.parametrize("wrong", [["--preset", "huge"], ["--dataset", "imagenet"], ["--seeds", "few"]])
def test_wrong_options_end_with_code_2(main, wrong):
    with pytest.raises(SystemExit) as ended:
        main(*wrong)
    assert ended.value.code == 2


def test_help_names_figures_and_options(main, capsys):
    with pytest.raises(SystemExit) as ended:
        main("--help")
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for text in ("Figures: die, plain.", "--preset {quick,laptop,paper}", "--dataset", "--seeds", "--out", "--fresh"):
        assert text in shown
