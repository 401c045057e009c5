"""What all figures have in common: a caption that says what bands, bars and lines are; scarce data can be drawn."""

import re
from functools import cache
from importlib import import_module

import matplotlib.pyplot as plt
import pytest

from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure
from tests.figures.drawn import legend_words, read
from tests.figures.page import check_page

_FIGURES = {
    name: listed
    for name, listed in list_modules("paper_figures", "draw").items()
    if not listed.path.startswith("paper_figures.benchmarks")
}
_WORDS = {
    "blur": ("95 % Student t interval", "95 % Wilson interval", "training images", "n decoders"),
    "cross_entropy": tuple(f"({letter})" for letter in "abcdefghi"),
    "double_descent": ("5 % to the 95 % quantile", "one standard error", "medians", "infinite"),
    "escape_times": ("95 % interval", "n runs", "saddle", "far side", "(a)", "(b)", "(c)"),
    "flat_or_sharp": ("95 % Student t intervals", "n runs", "diverged", "(a)", "(b)", "(c)"),
    "noise_law": ("(a)", "(b)", "(c)", "95 %", "median", "0.3 %"),
    "regularization_paths": ("5 % to 95 % bands", "n draws", "95 % intervals", "quartiles", "closed form", "0.1 %"),
    "sgd_landscape": ("95 % Wilson intervals", "n runs"),
}

_RUNS = {"seed", "plane_seed", "sample", "network", "decoder", "draw", "problem", "design"}
_CHOOSING = {"early_stopping", "optimizer"}  # where every other run chooses, and the rest shows
_FATES = {"sgd_landscape"}  # where diverging is an outcome like others
_DATA = {"value", "y"}  # given to the runs, not of them
_WHOLE = {"escape_times"}  # whose runs return whole numbers: what diverges is counted among them
_EXACT = {"cross_entropy"}  # curves of formulas, and descent that cannot diverge: nothing scatters


@pytest.mark.parametrize("name", _FIGURES)
def test_captions_say_what_bands_are(name):
    caption = as_figure(load("paper_figures", name, _FIGURES)).CAPTION
    assert name in _EXACT or re.search(r"\d+ % .*(interval|quantile|Wilson|band)|standard error", caption, re.DOTALL)
    assert not [words for words in _WORDS.get(name, ()) if words not in caption]


def _draw(name, dataset):
    """The figure, whole and with nothing over anything, and all its words."""
    figure = as_figure(load("paper_figures", name, _FIGURES)).draw(dataset)
    check_page(figure)
    words = "\n".join([figure.get_suptitle(), *map(read, figure.axes), *(legend_words(one) for one in figure.legends)])
    plt.close(figure)
    return words


@cache
def _population(name):
    """Its study's, at the small settings of that one's test."""
    subject = _FIGURES[name].path.split(".")[1]
    small = import_module(f"tests.experiments.{subject}.test_{name}").SMALL
    return import_module(f"experiments.{subject}.{name}").run(small, progress=False).load()


@pytest.mark.slow
@pytest.mark.parametrize("name", _FIGURES)
def test_as_few_runs_as_can_be_asked_for_are_drawn(name):
    made = _population(name)
    single = [dim for dim in _RUNS & set(made.dims) if made[dim].dtype.kind != "U"]  # words name what is compared
    few = 4 if name in _CHOOSING else 1
    _draw(name, made.isel({dim: slice(few) for dim in single}))


@pytest.mark.slow
@pytest.mark.parametrize("name", _FIGURES)
def test_a_population_that_all_diverged_is_drawn_and_said_to_be_none(name):
    """Of it nothing is a number, as after an overflow."""
    made = _population(name)
    marks = [mark for mark in made if str(mark).endswith("diverged") or str(mark).startswith("diverged")]
    if not marks or name in _EXACT | _WHOLE:
        pytest.skip("nothing of it can diverge")
    gone = made.assign({mark: made[mark] | True for mark in marks})
    runs = {dim for mark in marks for dim in made[mark].dims} & _RUNS
    lost = [key for key in made if made[key].dtype.kind == "f" and runs & set(made[key].dims) and key not in _DATA]
    words = _draw(name, gone.assign({key: made[key] * float("nan") for key in lost}))
    assert re.search("diverged" if name in _FATES else "n = 0", words), words
