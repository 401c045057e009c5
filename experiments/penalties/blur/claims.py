"""The claims about blur, and how the experiment's dataset tests them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import xarray as xr

from jaxreg.study import Above, Below, Claim, Estimate, Inside, at, exactly, gain, largest, mean, ratio, share

SEPARATION = 6.0
"""Distance of the two humps, in units of their width, at which the claims are judged."""
EVEN, UNEVEN = 0.5, 0.7
"""Shares of the upper answer at which the claims are judged."""
_EXACT = 1e-9


def select(dataset: xr.Dataset, population: str, **place: Any) -> xr.Dataset:
    """The runs of one population, "samples", "networks" or "decoders", at a place, and which of them diverged."""
    return at(dataset.rename({f"diverged_{population}": "diverged"}), **place)


_two_humps = partial(select, population="samples", separation=SEPARATION)
_networks, _decoders = (partial(select, population=name) for name in ("networks", "decoders"))


def _predictions(where: str, loss: str, share: float) -> Callable[[xr.Dataset], Estimate]:
    """Share of a network's predictions that are near an answer, or between the two, on average over networks."""
    runs = partial(_networks, upper_share=share, loss=loss)
    return mean(lambda networks: 100 * networks[where], runs=runs, dim="network", unit="% of predictions")


def _excess_over_best(loss: str, statistic: str) -> Callable[[xr.Dataset], Estimate]:
    """Excess of a decoder's error on the training images over that of the best prediction, on average."""

    def excess(runs: xr.Dataset) -> xr.DataArray:
        best = float(runs[f"best_{loss}_error"].sel(statistic=statistic))
        return 100 * (runs[f"{loss}_error"] / best - 1)

    return mean(excess, runs=partial(_decoders, decoder_loss=loss), dim="decoder", unit="% above the least error")


def _sharper(loss: str, baseline: str) -> Callable[[xr.Dataset], Estimate | None]:
    """Ratio of the gradient energies of decoders that share a seed."""
    unit = f"× the gradient energy under {baseline} error"
    return ratio("energy", "decoder_loss", loss, baseline, runs=_decoders, dim="decoder", unit=unit)


def _ratio_of_median(dataset: xr.Dataset) -> Estimate:
    """No sampling: the ratio for these images is exact."""
    mean, median = (float(dataset["best_energy"].sel(statistic=name)) for name in ("mean", "median"))
    return exactly(median / mean, int(dataset["count"].sum()), "× the gradient energy of the mean")


def _loss_of_median(dataset: xr.Dataset) -> Estimate:
    mean, median = (float(dataset["best_psnr"].sel(statistic=name)) for name in ("mean", "median"))
    return exactly(mean - median, int(dataset["count"].sum()), "dB")


_of_samples = partial(share, runs=_two_humps, dim="sample", of="samples")
_T4 = "tutorial T4"
_HUMPS = f"(humps {SEPARATION:g} of their widths apart)"
_MEASURED = "measured on the training images of MNIST; here on those of this run"

CLAIMS = (
    Claim(
        "Squared error is maximum likelihood under a Gaussian of fixed width: the minimiser is the sample mean",
        _T4,
        largest("mean_gap", unit="widths of a hump, at most"),
        Below(_EXACT),
    ),
    Claim(
        "Absolute error is maximum likelihood under a Laplace distribution: the minimiser is the sample median",
        f"{_T4}, carried over to L1",
        largest("median_gap", unit="widths of a hump, at most"),
        Below(_EXACT),
    ),
    Claim(
        f"The sample mean is unbiased (to a tenth of a hump's width) {_HUMPS}",
        _T4,
        mean("gaussian_centre", runs=_two_humps, dim="sample", unit="widths of a hump"),
        Inside(-0.1, 0.1),
    ),
    Claim(
        f"A single Gaussian fitted to a two-humped sample lies between the humps (more than 95 % of samples) {_HUMPS}",
        _T4,
        _of_samples(lambda runs: abs(runs["gaussian_centre"]) < SEPARATION / 2 - 1),
        Above(95),
    ),
    Claim(
        f"There is hardly any data there: the density is below 10 % of that at a hump {_HUMPS}",
        _T4,
        mean(lambda runs: 100 * runs["relative_density"], runs=_two_humps, dim="sample", unit="% of that at a hump"),
        Below(10),
    ),
    Claim(
        f"A mixture density finds both humps (more than 90 % of samples and starts) {_HUMPS}",
        f"{_T4}, the remedy: Bishop (1994)",
        _of_samples("both_found"),
        Above(90),
    ),
    Claim(
        "With two answers equally often right, a network trained with squared error predicts between them (most "
        "predictions)",
        _T4,
        _predictions("between", "squared", EVEN),
        Above(50),
    ),
    Claim(
        "With absolute error, predictions are more often near an answer than with squared error (both equally often)",
        _T4,
        gain(
            lambda runs: 100 * runs["near"],
            "loss",
            "absolute",
            "squared",
            runs=partial(_networks, upper_share=EVEN),
            dim="network",
            unit="percentage points near an answer",
        ),
        Above(0),
    ),
    Claim(
        "With absolute error and one answer in 70 % of cases, a network predicts an answer (most predictions)",
        f"{_T4}: the median picks the majority",
        _predictions("near", "absolute", UNEVEN),
        Above(50),
    ),
    Claim(
        "A mixture-density network predicts one of the answers (most predictions; both equally often right)",
        "Bishop, Mixture density networks (1994)",
        _predictions("near", "mixture", EVEN),
        Above(50),
    ),
    Claim(
        "An adversarial loss picks one answer instead of averaging (most predictions; both equally often right)",
        _T4,
        _predictions("near", "adversarial", EVEN),
        Above(50),
    ),
    Claim(
        "A decoder from label to image trained with squared error predicts the class mean (error within 0.5 %)",
        _T4,
        _excess_over_best("squared", "mean"),
        Below(0.5),
    ),
    Claim(
        "A decoder from label to image trained with absolute error predicts the class median (error within 1 %)",
        f"{_T4}, carried over to L1",
        _excess_over_best("absolute", "median"),
        Below(1.0),
    ),
    Claim(
        "An L1 loss gives sharper images than squared error (more gradient energy)",
        _T4,
        _sharper("absolute", "squared"),
        Above(1),
    ),
    Claim(
        "An adversarial loss gives sharper images than L1 (more gradient energy)",
        _T4,
        _sharper("adversarial", "absolute"),
        Above(1),
    ),
    Claim(
        "Adversarial images are as sharp as real ones (80 to 125 % of their gradient energy)",
        f"{_T4}: it picks one answer",
        mean(
            lambda runs: 100 * runs["energy"] / runs["data_energy"],
            runs=partial(_decoders, decoder_loss="adversarial"),
            dim="decoder",
            unit="% of the gradient energy of real images",
        ),
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
