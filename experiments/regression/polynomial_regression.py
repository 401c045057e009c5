"""What do L2 and L1 do to a polynomial of degree 30 fitted to 50 points? Tutorial T1 as a population of draws."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from jaxreg.checks import NOT_NEGATIVE, Domain
from jaxreg.linear import lars_path, least_squares, polynomial_features, ridge
from jaxreg.study import Above, Below, Claim, at, gain, mean, share
from jaxreg.study.quantities import Measure
from jaxreg.study.report import describe
from jaxreg.study.settings import Seeds, check_settings

FITS = ("none", "l2", "l1")
"""Least squares, ridge, and lasso by LARS."""
BASES = ("monomial", "legendre")
"""The tutorial's coordinates, and others in which the same polynomials are nearly uncorrelated."""
DOMAIN = (-10.0, 10.0)
TRUTH = (0.0, 0.001, 0.001, -0.001)
"""Coefficients of the truth, lowest degree first."""


@dataclass(frozen=True)
class Config:
    """Settings of the study; the defaults are those of the tutorial, with a population in place of one noise draw."""

    seeds: Seeds = 2000
    """Number of noise draws; every fit sees the same draws."""
    degree: Annotated[int, Domain(len(TRUTH) - 1, 100_000, whole=True)] = 30
    """Highest degree of the polynomial."""
    points: Annotated[int, Domain(2, 100_000, whole=True)] = 50
    """Number of data points, on an even grid from -10 to 10."""
    test_points: Annotated[int, Domain(2, 100_000, whole=True)] = 200
    """Number of points at which the fits are drawn and compared with the truth, on an even grid from -10 to 10."""
    noise: Annotated[float, NOT_NEGATIVE] = 0.05
    """Standard deviation of the noise on the data."""
    ridge_alpha: Annotated[float, NOT_NEGATIVE] = 0.5
    """Strength of L2 in ‖y - Xw‖² + α‖w‖², the columns of X centred and of unit length."""
    lasso_alpha: Annotated[float, NOT_NEGATIVE] = 0.001
    """Strength of L1 in ‖y - Xw‖²/(2n) + α‖w‖₁, the columns of X centred and of unit length."""


PRESETS = {"quick": Config(seeds=1000), "laptop": Config(), "paper": Config(seeds=10_000)}
TOLERANCE = 1e-5
"""Of runs alone against those among others: the condition number of 30 monomials, 2e11, multiplies rounding."""


def run(config: Config, **options: Any) -> xr.Dataset:
    """Fit every noise draw without regularization, with L2 and with L1, in both bases, in float64.

    Returns:
        Dataset over `seed` (seed 0 is the draw that stands for the tutorial's), `basis` and `fit` of `coef`, over
        `degree` and in original units, `intercept`, `curve`, the fit at each `x_test`, `train_error`, its
        root-mean-square residual, `test_error`, its root-mean-square distance from the truth over `x_test`, and `gap`,
        the fit's certificate; of the data `y` over `seed` and `x`; and of the `truth` over `x_test` and the standard
        deviation `noise`.
    """
    check_settings(config)
    x, x_test = (np.linspace(*DOMAIN, count) for count in (config.points, config.test_points))
    truth, truth_test = (np.polynomial.polynomial.polyval(points, TRUTH) for points in (x, x_test))
    expand = partial(polynomial_features, np.concatenate([x, x_test]), config.degree, domain=DOMAIN)
    with jax.enable_x64(True):
        designs = np.split(np.stack([expand(basis=b) for b in ("monomial", "legendre")]), [config.points], axis=1)
    over_fits = {"basis": list(BASES), "fit": np.array(FITS)}
    result = jr.sweep(
        fit_draw,
        {"seed": jr.seeds(config.seeds)},
        args=(*designs, truth, truth_test, config.noise, config.ridge_alpha, config.lasso_alpha),
        dims={
            "y": {"x": x},
            "coef": over_fits | {"degree": np.arange(1, config.degree + 1)},
            "curve": over_fits | {"x_test": x_test},
            **dict.fromkeys(("intercept", "train_error", "test_error", "gap"), over_fits),
        },
        x64=True,
        **options,
    )
    return result.assign(truth=("x_test", truth_test), noise=config.noise)


def fit_draw(
    X: Any, X_test: Any, truth: Any, truth_test: Any, noise: Any, ridge_alpha: Any, lasso_alpha: Any, *, seed: Any
) -> dict[str, Any]:
    """One draw of the noise, its three fits in the order of `FITS` in each basis, and how far off they are.

    The designs (bases, points, degrees) are the same in every draw, and factorized once.
    """
    y = truth + noise * jax.random.normal(seed, truth.shape, truth.dtype)

    def fit_all(X: Any, X_test: Any) -> dict[str, Any]:
        fits = (
            least_squares(X, y, normalize="l2"),
            ridge(X, y, ridge_alpha, normalize="l2"),
            lars_path(X, y, normalize="l2").at(lasso_alpha),
        )
        fit = jax.tree.map(lambda *parts: jnp.stack(parts), *fits)
        curve = fit.predict(X_test)
        return {
            "coef": fit.coef,
            "intercept": fit.intercept,
            "curve": curve,
            "train_error": _root_mean_square(fit.predict(X) - y[None]),
            "test_error": _root_mean_square(curve - truth_test[None]),
            "gap": fit.gap,
        }

    return {"y": y, **jax.vmap(fit_all)(X, X_test)}


def _root_mean_square(residual: Any) -> Any:
    return jnp.sqrt((residual**2).mean(-1))


def table(dataset: xr.Dataset, seed: int = 0, basis: str = "monomial") -> str:
    """The coefficients of one draw as a Markdown table, lowest degree first: none, L2 and L1 in three columns.

    An exact zero is "0"; any other number has four digits.
    """
    coef = dataset["coef"].sel(seed=seed, basis=basis).transpose("degree", "fit")
    lines = ["| degree | no regularization | L2 | L1 |", "| ---: | ---: | ---: | ---: |"]
    for degree, row in zip(coef["degree"].values, coef.sel(fit=list(FITS)).values, strict=True):
        lines.append(f"| {degree} | {' | '.join('0' if value == 0 else f'{value:.3e}' for value in row)} |")
    return "\n".join(lines)


def report(dataset: xr.Dataset) -> str:
    """How many runs there are, the tutorial's table for the first draw, and the dataset."""
    return f"{describe(dataset)}\n\nCoefficients of draw 0, in original units:\n\n{table(dataset)}\n\n{dataset}"


def kept(dataset: xr.Dataset) -> xr.DataArray:
    """Whether each coefficient of L1 is other than exactly zero."""
    return dataset["coef"].sel(fit="l1", drop=True) != 0


def _log_ratio_of_errors(draws: xr.Dataset) -> xr.DataArray:
    """Of the error on new observations over that on the data."""
    none = draws.sel(fit="none")
    ratio = (none["test_error"] ** 2 + none["noise"] ** 2) ** 0.5 / none["train_error"]
    return xr.apply_ufunc(np.log, ratio)


def _error_over_noise(fit: str) -> Measure:
    unit = "of the noise's standard deviation, root mean square"
    return _mean(lambda draws: draws["test_error"].sel(fit=fit) / draws["noise"], unit=unit)


def _is_smaller(draws: xr.Dataset) -> xr.DataArray:
    size = abs(draws["coef"])
    return size.sel(fit="l2", drop=True) < size.sel(fit="none", drop=True)


def _has_truth(draws: xr.Dataset) -> xr.DataArray:
    """Whether L1 keeps all terms of the truth."""
    true_terms = [degree for degree, coefficient in enumerate(TRUTH) if coefficient]
    return kept(draws).sel(degree=true_terms).all("degree")


_in_monomials = partial(at, basis="monomial")
_mean = partial(mean, runs=_in_monomials)
_share = partial(share, runs=_in_monomials, of="draws")
_OF_COEFFICIENTS = "% of coefficients"


CLAIMS = (
    Claim(
        "Without regularization the fit overlearns: its error on new observations is larger than on its own data",
        "tutorial T1",
        lambda dataset: _mean(_log_ratio_of_errors)(dataset).exponential("× the error on the data"),
        Above(1),
    ),
    Claim(
        "Without regularization the fit would not generalise: it is further from the truth than a constant, the "
        "truth's mean (in more than half of the draws)",
        "tutorial T1",
        _share(lambda draws: draws["test_error"].sel(fit="none") > draws["truth"].std()),
        Above(50),
    ),
    Claim(
        "L2 recovers the truth well: it explains more than 95 % of the truth's variance (mean over draws)",
        "tutorial T1, by a lenient criterion",
        _mean(
            lambda draws: 100 * (1 - draws["test_error"].sel(fit="l2") ** 2 / draws["truth"].var()),
            unit="% of the truth's variance",
        ),
        Above(95),
    ),
    Claim(
        "L2 recovers the truth well: to less than the standard deviation of the noise (mean over draws)",
        "tutorial T1, by a strict criterion",
        _error_over_noise("l2"),
        Below(1),
    ),
    Claim(
        "L1 comes close to a perfect fit: to less than the standard deviation of the noise (mean over draws)",
        "tutorial T1",
        _error_over_noise("l1"),
        Below(1),
    ),
    Claim(
        "L2 recovers the truth better than L1 (mean difference of their errors on the same draws)",
        "tutorial T1",
        gain("test_error", "fit", "l2", "l1", runs=_in_monomials, unit="of y, root mean square, L2 minus L1"),
        Below(0),
    ),
    Claim(
        "Every L2 coefficient is smaller in magnitude than the unregularized one (all at once, in more than 95 % of "
        "draws)",
        "tutorial T1, to the letter",
        _share(lambda draws: _is_smaller(draws).all("degree")),
        Above(95),
    ),
    Claim(
        "L2 coefficients are smaller in magnitude than the unregularized ones (more than 95 % of them)",
        "tutorial T1, by and large",
        _mean(lambda draws: 100 * _is_smaller(draws).mean("degree"), unit=_OF_COEFFICIENTS),
        Above(95),
    ),
    Claim(
        "L1 sets many coefficients to exactly zero (more than half of them, mean over draws)",
        "tutorial T1",
        _mean(lambda draws: 100 * (~kept(draws)).mean("degree"), unit=_OF_COEFFICIENTS),
        Above(50),
    ),
    Claim(
        "L1 selects: the terms that it keeps include the truth's x, x² and x³ (in more than half of the draws)",
        "tutorial T1, read as selecting the right terms",
        _share(_has_truth),
        Above(50),
    ),
)
