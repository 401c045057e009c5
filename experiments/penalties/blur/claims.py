"""The claims about blur, and how the experiment's dataset tests them."""

from functools import partial

import xarray as xr

import jaxreg as jr
from jaxreg.claims import Above, Below, Claim, Estimate, Inside, estimate, exactly, percentage
from jaxreg.errors import ArgumentError
from jaxreg.study import ratio, share

SEPARATION = 6.0
"""Distance of the two humps, in units of their width, at which the claims are judged."""
EVEN, UNEVEN = 0.5, 0.7
"""Shares of the upper answer at which the claims are judged."""
_EXACT = 1e-9


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


def _per_cent(runs: xr.Dataset, name: str, dim: str, unit: str) -> Estimate:
    return estimate(jr.stats.mean(runs.assign({name: 100 * runs[name]}), name, dim), unit)


def _largest_gap(dataset: xr.Dataset, gap: str) -> Estimate:
    """The largest distance from what it should be, in all samples; computed, not estimated."""
    largest = float(dataset[gap].max())
    return exactly(largest, dataset[gap].size, "widths of a hump, at most")


def _bias(dataset: xr.Dataset) -> Estimate:
    bias = jr.stats.mean(_two_humps(dataset), "gaussian_centre", "sample")
    return estimate(bias, "widths of a hump")


def _share_between(dataset: xr.Dataset) -> Estimate:
    """Samples whose Gaussian is at least a width of a hump inside of both."""
    runs = _two_humps(dataset)
    runs = runs.assign(inside=abs(runs["gaussian_centre"]) < SEPARATION / 2 - 1)
    return share("inside", dim="sample", of="samples")(runs)


def _density_between(dataset: xr.Dataset) -> Estimate:
    return _per_cent(_two_humps(dataset), "relative_density", "sample", "% of that at a hump")


def _share_with_both_found(dataset: xr.Dataset) -> Estimate:
    return share("both_found", dim="sample", of="samples")(_two_humps(dataset))


def _share_of_predictions(dataset: xr.Dataset, loss: str, where: str, share: float) -> Estimate:
    """Share of a network's predictions that are near an answer, or between the two, on average over networks."""
    runs = _two_answers(dataset, share).sel(loss=loss)
    return _per_cent(runs, where, "network", "% of predictions")


def _gain_in_nearness(dataset: xr.Dataset) -> Estimate:
    gain = jr.stats.paired_difference(_two_answers(dataset, EVEN), "near", "network", "loss", "squared")
    return percentage(gain.sel(loss="absolute"), "percentage points near an answer")


def _excess_over_best(dataset: xr.Dataset, loss: str, statistic: str) -> Estimate:
    """Excess of a decoder's error on the training images over that of the best prediction, on average."""
    name = f"{loss}_error"
    best = float(dataset[f"best_{name}"].sel(statistic=statistic))
    runs = select(dataset, "decoders").sel(decoder_loss=loss)
    return _per_cent(runs.assign({name: runs[name] / best - 1}), name, "decoder", "% above the least error")


def _ratio_of_energies(dataset: xr.Dataset, loss: str, baseline: str) -> Estimate | None:
    """Ratio of the gradient energies of decoders that share a seed."""
    unit = f"× the gradient energy under {baseline} error"
    runs = select(dataset, "decoders")
    return ratio("energy", "decoder_loss", loss, baseline, dim="decoder", unit=unit)(runs)


def _share_of_energy(dataset: xr.Dataset) -> Estimate:
    runs = select(dataset, "decoders").sel(decoder_loss="adversarial")
    runs = runs.assign(energy=runs["energy"] / dataset["data_energy"])
    return _per_cent(runs, "energy", "decoder", "% of the gradient energy of real images")


def _ratio_of_median(dataset: xr.Dataset) -> Estimate:
    """No sampling: the ratio for these images is exact."""
    energy = dataset["best_energy"]
    ratio = float(energy.sel(statistic="median") / energy.sel(statistic="mean"))
    n = int(dataset["count"].sum())
    return exactly(ratio, n, "× the gradient energy of the mean")


def _loss_of_median(dataset: xr.Dataset) -> Estimate:
    psnr = dataset["best_psnr"]
    loss = float(psnr.sel(statistic="mean") - psnr.sel(statistic="median"))
    return exactly(loss, int(dataset["count"].sum()), "dB")


_T4 = "tutorial T4"
_HUMPS = f"(humps {SEPARATION:g} of their widths apart)"
_MEASURED = "measured on the training images of MNIST; here on those of this run"

CLAIMS = (
    Claim(
        "Squared error is maximum likelihood under a Gaussian of fixed width: the minimiser is the sample mean",
        _T4,
        partial(_largest_gap, gap="mean_gap"),
        Below(_EXACT),
    ),
    Claim(
        "Absolute error is maximum likelihood under a Laplace distribution: the minimiser is the sample median",
        f"{_T4}, carried over to L1",
        partial(_largest_gap, gap="median_gap"),
        Below(_EXACT),
    ),
    Claim(f"The sample mean is unbiased (to a tenth of a hump's width) {_HUMPS}", _T4, _bias, Inside(-0.1, 0.1)),
    Claim(
        f"A single Gaussian fitted to a two-humped sample lies between the humps (more than 95 % of samples) {_HUMPS}",
        _T4,
        _share_between,
        Above(95),
    ),
    Claim(
        f"There is hardly any data there: the density is below 10 % of that at a hump {_HUMPS}",
        _T4,
        _density_between,
        Below(10),
    ),
    Claim(
        f"A mixture density finds both humps (more than 90 % of samples and starts) {_HUMPS}",
        f"{_T4}, the remedy: Bishop (1994)",
        _share_with_both_found,
        Above(90),
    ),
    Claim(
        "With two answers equally often right, a network trained with squared error predicts between them (most "
        "predictions)",
        _T4,
        partial(_share_of_predictions, loss="squared", where="between", share=EVEN),
        Above(50),
    ),
    Claim(
        "With absolute error, predictions are more often near an answer than with squared error (both equally often)",
        _T4,
        _gain_in_nearness,
        Above(0),
    ),
    Claim(
        "With absolute error and one answer in 70 % of cases, a network predicts an answer (most predictions)",
        f"{_T4}: the median picks the majority",
        partial(_share_of_predictions, loss="absolute", where="near", share=UNEVEN),
        Above(50),
    ),
    Claim(
        "A mixture-density network predicts one of the answers (most predictions; both equally often right)",
        "Bishop, Mixture density networks (1994)",
        partial(_share_of_predictions, loss="mixture", where="near", share=EVEN),
        Above(50),
    ),
    Claim(
        "An adversarial loss picks one answer instead of averaging (most predictions; both equally often right)",
        _T4,
        partial(_share_of_predictions, loss="adversarial", where="near", share=EVEN),
        Above(50),
    ),
    Claim(
        "A decoder from label to image trained with squared error predicts the class mean (error within 0.5 %)",
        _T4,
        partial(_excess_over_best, loss="squared", statistic="mean"),
        Below(0.5),
    ),
    Claim(
        "A decoder from label to image trained with absolute error predicts the class median (error within 1 %)",
        f"{_T4}, carried over to L1",
        partial(_excess_over_best, loss="absolute", statistic="median"),
        Below(1.0),
    ),
    Claim(
        "An L1 loss gives sharper images than squared error (more gradient energy)",
        _T4,
        partial(_ratio_of_energies, loss="absolute", baseline="squared"),
        Above(1),
    ),
    Claim(
        "An adversarial loss gives sharper images than L1 (more gradient energy)",
        _T4,
        partial(_ratio_of_energies, loss="adversarial", baseline="absolute"),
        Above(1),
    ),
    Claim(
        "Adversarial images are as sharp as real ones (80 to 125 % of their gradient energy)",
        f"{_T4}: it picks one answer",
        _share_of_energy,
        Inside(80, 125),
    ),
    Claim(
        "The class median keeps about three times (2.5 to 3.5) the gradient energy of the class mean",
        _MEASURED,
        _ratio_of_median,
        Inside(2.5, 3.5),
    ),
    Claim(
        "The class median loses about 1 dB (0.75 to 1.25) of PSNR against the class mean",
        _MEASURED,
        _loss_of_median,
        Inside(0.75, 1.25),
    ),
)
