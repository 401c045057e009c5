"""What all figures have in common: a caption that says what bands, bars and lines are; scarce data can be drawn."""

import re
from importlib import import_module

import matplotlib.pyplot as plt
import pytest

from jaxreg.study.catalogue import list_modules, load
from jaxreg.study.experiment import as_figure

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
_EXACT = {"cross_entropy"}  # curves of formulas: nothing scatters


@pytest.mark.parametrize("name", _FIGURES)
def test_captions_say_what_bands_are(name):
    caption = as_figure(load("paper_figures", name, _FIGURES)).CAPTION
    assert name in _EXACT or re.search(r"\d+ % .*(interval|quantile|Wilson|band)|standard error", caption, re.DOTALL)
    assert not [words for words in _WORDS.get(name, ()) if words not in caption]


@pytest.mark.slow
@pytest.mark.parametrize("name", _FIGURES)
def test_as_few_runs_as_can_be_asked_for_are_drawn_and_a_population_that_all_diverged(name):
    made = import_module(f"tests.figures.{_FIGURES[name].path.split('.')[1]}.test_{name}").dataset.__wrapped__()
    single = [dim for dim in _RUNS & set(made.dims) if made[dim].dtype.kind != "U"]  # words name what is compared
    few = 4 if name in _CHOOSING else 1
    gone = {mark: made[mark] | True for mark in ("diverged", "plane_diverged") if mark in made}
    for extreme in (made.isel({dim: slice(few) for dim in single}), made.assign(gone)):
        figure = as_figure(load("paper_figures", name, _FIGURES)).draw(extreme)
        figure.canvas.draw()
        plt.close(figure)
