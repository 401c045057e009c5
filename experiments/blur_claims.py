"""The claims about blur, and how the experiment's dataset tests them."""

from functools import partial

import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.claims import Claim, Verdict, above, below, estimate, inside, percentage
from jaxreg.errors import ArgumentError

SEPARATION = 6.0
"""Distance of the two humps, in units of their width, at which the claims are judged."""
EVEN, UNEVEN = 0.5, 0.7
"""Shares of the upper answer at which the claims are judged."""
_EXACT = 1e-9
_PER_CENT = "% of {}"


def select(dataset: xr.Dataset, population: str) -> xr.Dataset:
    """The dataset with the diverged runs of one population, "samples", "networks" or "decoders", as `diverged`."""
    return dataset.rename({f"diverged_{population}": "diverged"})


def _two_humps(dataset: xr.Dataset) -> xr.Dataset:
    return _choose(select(dataset, "samples"), "separation", SEPARATION)


def _two_answers(dataset: xr.Dataset, share: float) -> xr.Dataset:
    return _choose(select(dataset, "networks"), "upper_share", share)


def _choose(dataset: xr.Dataset, axis: str, value: float) -> xr.Dataset:
    """The dataset at the setting that the claims are about."""
    known = dataset[axis].values
    if value not in known:
        raise ArgumentError(f"{axis}s", known, f"must hold the {value:g} that the claims are about", "Add it")
    return dataset.sel({axis: value})


def _per_cent(runs: xr.Dataset, name: str, dim: str) -> tuple[float, tuple[float, float], int]:
    effect, (low, high), n = estimate(jr.stats.mean(runs.assign({name: 100 * runs[name]}), name, dim))
    return effect, (low, high), n


def _is_minimiser(dataset: xr.Dataset, gap: str) -> Verdict:
    """The largest distance from what it should be, in all samples; computed, not estimated."""
    largest = float(dataset[gap].max())
    return below(largest, (largest, largest), dataset[gap].size, bound=_EXACT, unit="widths of a hump, at most")


def _is_unbiased(dataset: xr.Dataset) -> Verdict:
    bias = jr.stats.mean(_two_humps(dataset), "gaussian_centre", "sample")
    return inside(*estimate(bias), bounds=(-0.1, 0.1), unit="widths of a hump")


def _lies_between(dataset: xr.Dataset) -> Verdict:
    """Samples whose Gaussian is at least a width of a hump inside of both."""
    runs = _two_humps(dataset)
    runs = runs.assign(inside=abs(runs["gaussian_centre"]) < SEPARATION / 2 - 1)
    return above(*percentage(jr.stats.proportion(runs, "inside", "sample")), bound=95, unit=_PER_CENT.format("samples"))


def _has_hardly_any_data(dataset: xr.Dataset) -> Verdict:
    return below(*_per_cent(_two_humps(dataset), "relative_density", "sample"), bound=10, unit="% of that at a hump")


def _finds_both(dataset: xr.Dataset) -> Verdict:
    return above(
        *percentage(jr.stats.proportion(_two_humps(dataset), "both_found", "sample")),
        bound=90,
        unit=_PER_CENT.format("samples"),
    )


def _predicts(dataset: xr.Dataset, loss: str, where: str, share: float) -> Verdict:
    """Share of a network's predictions that are near an answer, or between the two, on average over networks."""
    runs = _two_answers(dataset, share).sel(loss=loss)
    return above(*_per_cent(runs, where, "network"), bound=50, unit=_PER_CENT.format("predictions"))


def _is_nearer(dataset: xr.Dataset) -> Verdict:
    gain = jr.stats.paired_difference(_two_answers(dataset, EVEN), "near", "network", "loss", "squared")
    return above(*percentage(gain.sel(loss="absolute")), unit="percentage points near an answer")


def _reaches_best(dataset: xr.Dataset, loss: str, statistic: str, bound: float) -> Verdict:
    """Excess of a decoder's error on the training images over that of the best prediction, on average."""
    name = f"{loss}_error"
    best = float(dataset[f"best_{name}"].sel(statistic=statistic))
    runs = select(dataset, "decoders").sel(decoder_loss=loss)
    effect, interval, n = _per_cent(runs.assign({name: runs[name] / best - 1}), name, "decoder")
    return below(effect, interval, n, bound=bound, unit="% above the least error")


def _compare_energies(dataset: xr.Dataset, loss: str, baseline: str) -> Verdict:
    """Ratio of the gradient energies of decoders that share a seed, less one."""
    runs = select(dataset, "decoders")
    runs = runs.assign(log_energy=xr.apply_ufunc(np.log, runs["energy"]))
    gain = jr.stats.paired_difference(runs, "log_energy", "decoder", "decoder_loss", baseline)
    effect, interval, n = estimate(gain.sel(decoder_loss=loss))
    ratio, low, high = (float(np.exp(value)) for value in (effect, *interval))
    return above(ratio, (low, high), n, bound=1, unit=f"× the gradient energy under {baseline} error")


def _keeps_energy(dataset: xr.Dataset) -> Verdict:
    runs = select(dataset, "decoders").sel(decoder_loss="adversarial")
    runs = runs.assign(energy=runs["energy"] / dataset["data_energy"])
    effect, interval, n = _per_cent(runs, "energy", "decoder")
    return inside(effect, interval, n, bounds=(80, 125), unit="% of the gradient energy of real images")


def _median_keeps(dataset: xr.Dataset) -> Verdict:
    """No sampling: the ratio for these images is exact."""
    energy = dataset["best_energy"]
    ratio = float(energy.sel(statistic="median") / energy.sel(statistic="mean"))
    n = int(dataset["count"].sum())
    return inside(ratio, (ratio, ratio), n, bounds=(2.5, 3.5), unit="× the gradient energy of the mean")


def _median_loses(dataset: xr.Dataset) -> Verdict:
    psnr = dataset["best_psnr"]
    loss = float(psnr.sel(statistic="mean") - psnr.sel(statistic="median"))
    return inside(loss, (loss, loss), int(dataset["count"].sum()), bounds=(0.75, 1.25), unit="dB")


_T4 = "tutorial T4"
_HUMPS = f"(humps {SEPARATION:g} of their widths apart)"
_MEASURED = "measured on the training images of MNIST; here on those of this run"

CLAIMS = (
    Claim(
        "Squared error is maximum likelihood under a Gaussian of fixed width: the minimiser is the sample mean",
        _T4,
        partial(_is_minimiser, gap="mean_gap"),
    ),
    Claim(
        "Absolute error is maximum likelihood under a Laplace distribution: the minimiser is the sample median",
        f"{_T4}, carried over to L1",
        partial(_is_minimiser, gap="median_gap"),
    ),
    Claim(f"The sample mean is unbiased (to a tenth of a hump's width) {_HUMPS}", _T4, _is_unbiased),
    Claim(
        f"A single Gaussian fitted to a two-humped sample lies between the humps (more than 95 % of samples) {_HUMPS}",
        _T4,
        _lies_between,
    ),
    Claim(
        f"There is hardly any data there: the density is below 10 % of that at a hump {_HUMPS}",
        _T4,
        _has_hardly_any_data,
    ),
    Claim(
        f"A mixture density finds both humps (more than 90 % of samples and starts) {_HUMPS}",
        f"{_T4}, the remedy: Bishop (1994)",
        _finds_both,
    ),
    Claim(
        "With two answers equally often right, a network trained with squared error predicts between them (most "
        "predictions)",
        _T4,
        partial(_predicts, loss="squared", where="between", share=EVEN),
    ),
    Claim(
        "With absolute error, predictions are more often near an answer than with squared error (both equally often)",
        _T4,
        _is_nearer,
    ),
    Claim(
        "With absolute error and one answer in 70 % of cases, a network predicts an answer (most predictions)",
        f"{_T4}: the median picks the majority",
        partial(_predicts, loss="absolute", where="near", share=UNEVEN),
    ),
    Claim(
        "A mixture-density network predicts one of the answers (most predictions; both equally often right)",
        "Bishop, Mixture density networks (1994)",
        partial(_predicts, loss="mixture", where="near", share=EVEN),
    ),
    Claim(
        "An adversarial loss picks one answer instead of averaging (most predictions; both equally often right)",
        _T4,
        partial(_predicts, loss="adversarial", where="near", share=EVEN),
    ),
    Claim(
        "A decoder from label to image trained with squared error predicts the class mean (error within 0.5 %)",
        _T4,
        partial(_reaches_best, loss="squared", statistic="mean", bound=0.5),
    ),
    Claim(
        "A decoder from label to image trained with absolute error predicts the class median (error within 1 %)",
        f"{_T4}, carried over to L1",
        partial(_reaches_best, loss="absolute", statistic="median", bound=1.0),
    ),
    Claim(
        "An L1 loss gives sharper images than squared error (more gradient energy)",
        _T4,
        partial(_compare_energies, loss="absolute", baseline="squared"),
    ),
    Claim(
        "An adversarial loss gives sharper images than L1 (more gradient energy)",
        _T4,
        partial(_compare_energies, loss="adversarial", baseline="absolute"),
    ),
    Claim(
        "Adversarial images are as sharp as real ones (80 to 125 % of their gradient energy)",
        f"{_T4}: it picks one answer",
        _keeps_energy,
    ),
    Claim(
        "The class median keeps about three times (2.5 to 3.5) the gradient energy of the class mean",
        _MEASURED,
        _median_keeps,
    ),
    Claim(
        "The class median loses about 1 dB (0.75 to 1.25) of PSNR against the class mean",
        _MEASURED,
        _median_loses,
    ),
)
