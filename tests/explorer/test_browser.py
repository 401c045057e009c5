"""The explorer operated in a browser: clicks and keys, and its numbers read back and compared with `jaxreg.stats`."""

import math
import re
import shutil
import time

import numpy as np
import pytest
import xarray as xr

import jaxreg as jr
from jaxreg.claims import Above, Claim
from jaxreg.study import gain

_BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
_DIGITS = 6


def _population():
    """250 seeds, so that both ends of Student's table are met, three rates, two cases, a ragged history.

    Some runs diverged, some are not done, one is not finite.
    """
    random = np.random.default_rng(0)
    shape, axes = (250, 3, 2), ("seed", "rate", "case")
    level = random.normal(size=(250, 1, 1)) + np.array([[0.0, 0.5], [1.0, 0.7], [2.0, 3.0]])
    loss = (level[..., None] + random.normal(size=(*shape, 3)) * 0.1).astype(np.float32)
    loss[7, 0, 0, 1] = np.inf
    diverged = random.random(shape) < 0.05
    return xr.Dataset(
        {
            "loss": ((*axes, "epoch"), loss, {"long_name": "test loss", "units": "nats"}),
            "last": (axes, level + random.normal(size=shape) * 0.2),
            "solved": (axes, level > 1),
            "diverged": (axes, diverged),
            "done": (axes, random.random(shape) < 0.97),
            "epoch_valid": (("case", "epoch"), [[True, True, True], [True, True, False]]),
        },
        {"seed": np.arange(250), "rate": [0.01, 0.1, 1.0], "case": ["plain", "l2"], "epoch": [1, 2, 3]},
        {"title": "A test's population"},
    )


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright (extra test)")
    if _BROWSER is None:
        pytest.skip("needs Chromium: no chromium, chromium-browser, google-chrome or chrome is on the path")
    with api.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=_BROWSER, timeout=60_000)
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, tmp_path):
    """Open the page of an explorer; any error in it, and any request but for itself, is an error of the test."""
    trouble = []

    def go(explorer, **options):
        page = browser.new_page(**{"viewport": {"width": 1200, "height": 900}, "locale": "en-US", **options})
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda message: message.type == "error" and trouble.append(message.text))
        page.on("request", lambda request: request.url.startswith("file:") or trouble.append(request.url))
        page.goto(explorer.save(tmp_path / "page.html").as_uri())
        page.wait_for_selector("html[data-ready]", timeout=20_000)
        return page

    yield go
    assert not trouble


def _choose(page, control, text):
    """With keys alone: the control gets the focus, and the first letters of an option are typed."""
    options = page.locator(f"#{control} option").all_inner_texts()
    there = page.locator(f"#{control}").evaluate("select => select.selectedIndex")
    page.focus(f"#{control}")
    steps = options.index(text) - there
    for _ in range(abs(steps)):
        page.keyboard.press("ArrowDown" if steps > 0 else "ArrowUp")
    assert page.locator(f"#{control}").evaluate("select => select.selectedOptions[0].textContent") == text


def _rows(page):
    """The table, by the labels of its rows."""
    heads = page.locator("#numbers th").all_inner_texts()
    keys = heads[: heads.index("n") - 3]
    cells = [row.split("\t") for row in page.locator("#numbers tbody").inner_text().splitlines()]
    return keys, {tuple(row[: len(keys)]): row[len(keys) :] for row in cells}


def _agree(texts, summary, estimate):
    """The printed numbers are those of `jaxreg.stats`, to every digit shown."""
    for text, part in zip(texts, (estimate, "low", "high"), strict=False):
        value = float(summary[part])
        shown = {"∞": math.inf, "−∞": -math.inf, "none": math.nan}.get(text)
        shown = float(text) if shown is None else shown
        if math.isfinite(value):
            assert shown == pytest.approx(float(f"{value:.{_DIGITS}g}"), rel=1e-9, abs=1e-12)
        else:
            assert str(shown) == str(value)
    assert int(texts[3]) == int(summary["n"])


def _all_agree(page, summary, estimate, left_out=True):
    keys, rows = _rows(page)
    assert len(rows) == math.prod(summary[estimate].shape)
    names = {"rate": "rate", "case": "case", "epoch": "epoch"}
    for labels, texts in rows.items():
        place = {names[k]: label if k == "case" else float(label) for k, label in zip(keys, labels, strict=True)}
        here = summary.sel(place)
        _agree(texts, here, estimate)
        if left_out:
            assert int(texts[4]) == int(here["diverged"])


def test_every_view_tells_what_stats_does(visit):
    population = _population()
    page = visit(jr.explore(population))
    assert "A test's population" in page.title()
    caption = page.locator("#caption")

    # As it opens: a history along x, the first axis as colour, the other at its first value.
    _all_agree(page, jr.stats.mean(population, "loss").sel(case="plain"), "mean")
    assert "Mean of test loss (nats) over seed, at case plain. 95 % Student t interval" in caption.inner_text()

    _choose(page, "level", "99 %")
    _choose(page, "facet", "case")
    _all_agree(page, jr.stats.mean(population, "loss", level=0.99), "mean")
    assert page.locator("#charts figure").count() == 2

    _choose(page, "view", "median, with 5 to 95 % of the runs")
    _all_agree(page, jr.stats.quantiles(population, "loss"), "median")

    _choose(page, "view", "paired difference from a baseline")
    _choose(page, "axis", "case")
    _choose(page, "baseline", "l2")
    _all_agree(page, jr.stats.paired_difference(population, "loss", "seed", "case", "l2", 0.99), "difference")

    _choose(page, "view", "share that diverged")
    _all_agree(page, jr.stats.proportion(population, "diverged", level=0.99), "proportion", left_out=False)

    _choose(page, "view", "mean, with its interval")
    _choose(page, "variable", "solved")
    _all_agree(page, jr.stats.proportion(population, "solved", level=0.99), "proportion")
    _choose(page, "variable", "last")
    _all_agree(page, jr.stats.mean(population, "last", level=0.99), "mean")

    # Pooling two axes: the runs are those of both.
    for control in ("colour", "facet"):
        _choose(page, control, "none")
    _choose(page, "at-case", "all 2, as runs")
    _all_agree(page, jr.stats.mean(population, "last", dim=("seed", "case"), level=0.99), "mean")


def test_categories_are_shares_by_name(visit):
    random = np.random.default_rng(3)
    axes = ("seed", "rate")
    fate, diverged = random.integers(0, 2, (60, 3)), random.random((60, 3)) < 0.2
    runs = xr.Dataset({"fate": (axes, np.where(diverged, 2, fate)), "diverged": (axes, diverged)}, {"rate": [1, 2, 3]})
    names = ["far left", "right", "diverged"]

    def agrees(page, named):
        keys, rows = _rows(page)
        assert (keys, len(rows)) == (["fate", "rate"], 9 if named else 6)
        for (name, rate), texts in rows.items():
            value = names.index(name) if named else int(name)
            summary = jr.stats.proportion(runs, "fate", value=value, count_diverged=named).sel(rate=int(rate))
            _agree(texts, summary, "proportion")
            assert int(texts[4]) == (0 if named else int(summary["diverged"]))

    runs["fate"].attrs = {"flag_values": [0, 1, 2], "flag_meanings": "far_left right diverged"}
    page = visit(jr.explore(runs))
    assert page.locator("#variable option").all_inner_texts() == ["each fate"]
    agrees(page, named=True)
    caption = page.locator("#caption").inner_text()
    assert "Share with each fate over seed. 95 % Wilson interval; n = 60, 0 left out in all" in caption

    runs["fate"] = (axes, fate)
    page = visit(jr.explore(runs))
    assert page.locator("#variable option").all_inner_texts() == ["fate", "each fate"]
    _all_agree(page, jr.stats.mean(runs, "fate"), "mean")
    _choose(page, "variable", "each fate")
    agrees(page, named=False)
    assert f", {diverged.sum()} left out in all" in page.locator("#caption").inner_text()
    page.focus("#charts [tabindex='0']")
    assert page.locator("#readout").inner_text().endswith("left out")  # and no single run, which is 0 or 1

    # Held at the baseline itself, all differences would be 0.
    _choose(page, "view", "paired difference from a baseline")
    _choose(page, "x", "fate")
    _choose(page, "axis", "rate")
    assert "from rate 1, at rate 2" in page.locator("#caption").inner_text()
    _choose(page, "baseline", "2")
    assert "from rate 2, at rate 1" in page.locator("#caption").inner_text()


def test_what_is_not_there_is_said(visit):
    axes, gone = ("seed", "rate"), np.ones((4, 2), bool)
    page = visit(jr.explore(xr.Dataset({"loss": (axes, np.full((4, 2), np.nan)), "diverged": (axes, gone)})))
    assert "Share that diverged over seed. 95 % Wilson interval; n = 4." in page.locator("#caption").inner_text()
    _choose(page, "view", "mean, with its interval")
    assert "No run has a number to show here" in page.locator("#caption").inner_text()
    page = visit(jr.explore(xr.Dataset({"loss": (axes, np.ones((1, 2))), "diverged": (axes, ~gone[:1])})))
    assert "A single run has no interval" in page.locator("#caption").inner_text()


def test_large_numbers_are_short(visit):
    """They fit beside the axis, and into the table, with an exponent."""
    loss = 4.07111e17 * (1 + np.arange(6.0).reshape(3, 2))
    variables = {"loss": (("seed", "rate"), loss), "diverged": (("seed", "rate"), loss < 0)}
    page = visit(jr.explore(xr.Dataset(variables, {"rate": [0.1, 1.0]})))
    assert _rows(page)[1][("0.1",)][0] == "1.22133e18"


def test_single_runs_by_mouse_and_keys(visit):
    population = _population().sel(rate=[0.1])
    page = visit(jr.explore(population, variables=["loss"]))
    _choose(page, "view", "median, with 5 to 95 % of the runs")
    over = page.locator("#charts .u-over").bounding_box()
    page.mouse.move(over["x"] + 0.5 * over["width"], over["y"] + 0.25 * over["height"])
    page.wait_for_function("document.getElementById('readout').textContent.includes('seed')")
    told = page.locator("#readout").inner_text()
    place, _, run = told.rpartition(" · ")
    seed, _, value = run.partition(": ")
    case = "plain" if "case plain" in place else "l2"
    assert "epoch 2" in place
    runs = population.sel(rate=0.1, case=case, epoch=2)
    assert float(value) == pytest.approx(float(runs["loss"].sel(seed=int(seed.split()[-1]))), rel=1e-5)
    # The pointer is a quarter below the top of what is drawn: all bands and a twentieth more. No run is nearer to it.
    numbers = [texts for texts in _rows(page)[1].values() if texts[3] != "0"]
    low, high = min(float(texts[1]) for texts in numbers), max(float(texts[2]) for texts in numbers)
    height = high + 0.05 * (high - low) - 0.25 * 1.1 * (high - low)
    away = abs(runs["loss"].where(~runs["diverged"] & runs["done"]) - height)
    assert abs(float(value) - height) <= float(away.min()) + 0.005 * (high - low)

    page.focus("#charts [tabindex='0']")
    for key, expected in (("ArrowRight", "epoch 3"), ("ArrowDown", "case l2"), ("ArrowLeft", "epoch 2")):
        page.keyboard.press(key)
        assert expected in page.locator("#readout").inner_text()
    before = page.locator("#readout").inner_text().rpartition("seed ")[2].partition(":")[0]
    page.keyboard.press("PageDown")
    after, _, value = page.locator("#readout").inner_text().rpartition("seed ")[2].partition(": ")
    assert int(after) == int(before) + 1
    valid = not population["diverged"].sel(rate=0.1, case="l2", seed=int(after))
    valid &= bool(population["done"].sel(rate=0.1, case="l2", seed=int(after)))
    expected = float(population["loss"].sel(rate=0.1, case="l2", epoch=2, seed=int(after)))
    assert (float(value) == pytest.approx(expected, rel=1e-5)) if valid else value == "none"


def test_a_notebook_shows_the_page_in_a_frame(browser):
    population = _population()
    page = browser.new_page()
    page.set_content(jr.explore(population, variables=["last"])._repr_html_())
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready]").wait_for(timeout=20_000)
    assert "Mean of last over seed" in frame.locator("#caption").inner_text()


def test_distribution_and_moments_of_a_thinned_history(visit):
    population = _population()
    page = visit(jr.explore(population))
    _choose(page, "view", "distribution of the runs")
    _choose(page, "at-epoch", "1")
    _all_agree(page, jr.stats.quantiles(population, "loss").sel(case="plain", epoch=1), "median")
    runs = population.where(~population["diverged"] & population["done"])["loss"].sel(case="plain", epoch=1)
    all_shown, last = runs.values[np.isfinite(runs)], runs.sel(rate=1.0).dropna("seed")
    expected, _ = np.histogram(last, 40, (all_shown.min(), all_shown.max()))
    page.focus("#charts [tabindex='0']")
    for _ in range(2):
        page.keyboard.press("ArrowDown")  # to the last colour
    for count in expected:
        share = float(page.locator("#readout").inner_text().rpartition("share ")[2].split()[0])
        assert share == pytest.approx(count / expected.sum(), rel=1e-5)
        page.keyboard.press("ArrowRight")

    random = np.random.default_rng(1)
    long = xr.Dataset(
        {
            "loss": (("seed", "rate", "step"), random.normal(size=(60, 2, 2000)).astype(np.float32)),
            "diverged": (("seed", "rate"), random.random((60, 2)) < 0.1),
        },
        {"rate": [0.01, 1.0]},
    )
    page = visit(jr.explore(long, megabytes=0.5))
    _, rows = _rows(page)
    summary = jr.stats.mean(long, "loss")
    assert len(rows) == 200  # of 4,000; the table says so
    assert "The first 200 of 4000 rows" in page.locator("#numbers caption").inner_text()
    for rate, step in ((0.01, 0), (0.01, 137)):
        _agree(rows[f"{rate}", f"{step}"], summary.isel(rate=[0.01, 1.0].index(rate), step=step), "mean")
    assert "Single runs are held at" in page.locator("#caption").inner_text()
    page.focus("#charts [tabindex='0']")
    page.keyboard.press("ArrowRight")
    place, _, run = page.locator("#readout").inner_text().rpartition(" · ")
    seed, value, step = re.fullmatch(r"seed (\d+): (\S+) at step (\d+)", run).groups()
    assert "step 1 · mean" in place
    held = long["loss"].isel(seed=int(seed), rate=0, step=int(step))
    lost = bool(long["diverged"].isel(seed=int(seed), rate=0))
    assert value == "none" if lost else float(value) == pytest.approx(float(held), rel=1e-5)

    _choose(page, "view", "median, with 5 to 95 % of the runs")
    assert "of the 2000 entries along step" in page.locator("#caption").inner_text()
    _, rows = _rows(page)
    (rate, step), texts = next(iter(rows.items()))
    _agree(texts, jr.stats.quantiles(long, "loss").sel(rate=float(rate)).isel(step=int(step)), "median")


_CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const luminance = (colour) => {
    const [r, g, b] = rgba(colour).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const colour = getComputedStyle(element).backgroundColor;
      if (rgba(colour)[3] === 255) return colour;
    }
    return "white";
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const contrast = (element) => {
    const both = [getComputedStyle(element).color, ground(element)].map(luminance);
    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
  };
  const texts = [...document.querySelectorAll("body *")].filter((element) => element.offsetParent && hasText(element));
  return texts.map((element) => [contrast(element), `${element.tagName} ${element.textContent.slice(0, 40)}`]);
}"""


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_for_every_reader(visit, scheme):
    """Contrast, names of all controls, a visible focus, and a phone's width."""
    population = _population()
    claim = Claim(
        "More rate, more loss",
        "folklore",
        gain("last", "rate", 1.0, 0.01, runs=lambda d: d.sel(case="plain")),
        Above(0),
    )
    page = visit(jr.explore(population, [claim]), color_scheme=scheme, viewport={"width": 390, "height": 800})
    assert "✓ holds" in page.locator("#claims").inner_text()
    assert min(page.evaluate(_CONTRAST))[0] >= 4.5
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    unnamed = "[...document.querySelectorAll('select, input')].filter((e) => !e.labels.length && !e.ariaLabel).length"
    assert page.evaluate(unnamed) == 0
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "variable"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    assert "Mean of test loss" in page.locator("#charts [role=group]").first.get_attribute("aria-label")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    _choose(page, "theme", "dark" if scheme == "light" else "light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
    page.locator("#logy").click()
    assert page.locator("#logy").is_checked()


@pytest.mark.slow
def test_a_hundred_thousand_runs(visit):
    """Opened within 1.5 s, drawn anew within 0.1 s (medians); on a busy machine as fast as it can, so thrice that."""
    random = np.random.default_rng(0)
    axes, shape = ("seed", "rate", "batch", "width"), (100, 10, 10, 10)
    population = xr.Dataset(
        {
            "loss": (axes, random.random(shape, dtype=np.float32)),
            "history": ((*axes, "step"), random.random((*shape, 20), dtype=np.float32)),
            "diverged": (axes, random.random(shape) < 0.02),
        },
        {"rate": np.geomspace(0.01, 1, 10), "batch": 2 ** np.arange(10), "width": [f"w{i}" for i in range(10)]},
    )
    explorer = jr.explore(population)
    assert len(explorer.html.encode()) <= 5e6
    page = visit(explorer)
    opened = int(page.locator("html").get_attribute("data-ready"))
    taken = []
    for x, colour in (("rate", "batch"), ("batch", "width"), ("width", "rate")) * 2:
        for control, text in (("x", x), ("colour", colour)):
            began = time.perf_counter()
            page.locator(f"#{control}").select_option(text)
            page.evaluate("new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)))")
            taken.append(time.perf_counter() - began)
    assert (opened, 1000 * np.median(taken)) <= (4500, 300)
    _choose(page, "variable", "loss")
    _choose(page, "x", "rate")
    _choose(page, "colour", "none")
    _, rows = _rows(page)
    summary = jr.stats.mean(population, "loss").isel(batch=0, width=0)
    for i, texts in enumerate(rows.values()):
        _agree(texts, summary.isel(rate=i), "mean")
