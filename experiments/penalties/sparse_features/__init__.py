"""Does the lasso find the bigrams that matter among 10,000? Random text and real docstrings, tutorial T4."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

import jaxreg as jr
from experiments.penalties.sparse_features.designs import describe_versions, generate_corpus, read_corpus
from jaxreg.checks import Domain, check_integer
from jaxreg.linear import lasso_path
from jaxreg.study import Above, Below, Claim, Estimate, at, mean, share
from jaxreg.study.quantities import Measure
from jaxreg.study.settings import Count, Integers, Numbers, Ordered, Seeds, check_settings

COMMON = (0.05, 0.5)
"""Shares of documents in which a feature that matters occurs, from the rarest to the most common."""
LEADING = 8
"""Number of features of the largest coefficients that are recorded."""
_LEADING_SHARE = 0.3
TASKS = {
    "random text": {"corpus": 0, "labelled": 0.0},
    "docstrings": {"corpus": 1, "labelled": 0.0},
    "library": {"corpus": 1, "labelled": 1.0},
}
"""Which texts, and whether the target is the library of a docstring or made from features known to matter."""


@dataclass(frozen=True)
class Config:
    """Settings of the study."""

    seeds: Seeds = 20
    """Number of samples of documents, supports and noise for each task and size."""
    samples: Annotated[Integers, Domain(4, 10**6, whole=True), Ordered("rising")] = (50, 100, 200)
    """Numbers of documents that the lasso sees."""
    words: Annotated[int, Domain(4, 10**6, whole=True)] = 100
    """Number of words of the random text; every ordered pair of them is a feature, and real text has as many."""
    length: Annotated[int, Domain(2, 10**6, whole=True)] = 200
    """Words in a random document."""
    documents: Annotated[int, Domain(4, 10**6, whole=True)] = 2000
    """Random documents to draw from."""
    libraries: tuple[str, str] = ("numpy", "scipy")
    """Installed packages whose docstrings are the real text."""
    support: Count = 8
    """Number of features that matter, with coefficients of ±1 on features of variance 1."""
    noise: Annotated[float, Domain(0, 1e6)] = 1.0
    """Standard deviation of the noise on a target that is made."""
    shares: Annotated[Numbers, Domain(1e-3, 1), Ordered("falling", 2)] = tuple(
        float(f"{0.95 * 0.86**k:.3g}") for k in range(13)
    )
    """Strengths α, as shares of the one from which nothing is left, the largest first."""
    held_out: Annotated[int, Domain(2, 10**6, whole=True)] = 200
    """Documents on which a fit is tried."""
    corpus_seed: Annotated[int, Domain(0, 2**32 - 1, whole=True)] = 0
    """Seed of the random documents."""


PRESETS = {
    "quick": Config(
        seeds=6,
        samples=(50, 100),
        words=32,
        documents=200,
        libraries=("scipy.linalg", "scipy.signal"),
        support=5,
        shares=tuple(float(f"{0.9 * 0.76**k:.3g}") for k in range(6)),
        held_out=80,
    ),
    "laptop": Config(),
    "paper": Config(seeds=200, samples=(50, 75, 100, 150, 200, 300, 400)),
}
PLANS = {"paper": "an hour on two cores; one H100 takes it in 10 calls (52 GiB)"}


def run(config: Config, **options: Any) -> xr.Dataset:
    r"""Draw documents, make a target from a few bigrams, and follow the lasso over all bigrams.

    Features are 1 where a document contains a bigram, centred and scaled to variance 1 in the sample. Those that
    matter are drawn from all that occur in 5 % to 50 % of the documents. The target of the task "library" is instead
    1 or -1 as the docstring is from one library or the other: what the lasso selects then is what tells them apart.

    Returns:
        Dataset over `task`, `samples` and `seed` of, along `share`: `selected`, how many coefficients are not 0;
        `found`, how many of those are of features that matter; `residual`, the mean squared residual; `right`, the
        share of held-out documents on whose side of the mean the prediction is; and of `gap`, the largest duality gap,
        and `leading` (`place`), the features of the largest coefficients at about 0.3 of the largest α. `chosen` is the
        place on `share` of the least extended BIC.
        Of the selection along the path, `recall`, `precision` (no number where nothing is selected) and whether it is
        `exact`; and `threshold`, 2 k log(p - k), the number of Gaussian samples from which the lasso finds k of p
        features. Over `corpus` and `feature`, `frequency`, the share of documents with it, and its `name`; `support`;
        the attribute `libraries` says which versions were read.
    """
    check_settings(config)
    features = config.words**2
    corpora = {
        "random text": generate_corpus(config.documents, config.words, config.length, config.corpus_seed),
        "docstrings": read_corpus(config.libraries, features),
    }
    contains, names, labels = zip(*corpora.values(), strict=True)
    sizes = np.array(list(map(len, labels)))
    needed, documents = max(config.samples) + config.held_out, int(min(sizes))
    check_integer("samples", needed, 2, documents, f"There are {documents} documents, to fit and to try on")
    frequency = np.stack([part.mean(0) for part in contains])
    for part in frequency:
        common = int(((part >= COMMON[0]) & (part <= COMMON[1])).sum())
        check_integer("support", config.support, 1, common, f"Only {common} features are common enough to matter")
    shares = np.array(config.shares)
    texts = (np.concatenate(contains), np.concatenate(labels), np.array([0, sizes[0]]), sizes, frequency)
    result = jr.sweep(
        partial(fit_sample, widest=max(config.samples), held_out=config.held_out, support=config.support),
        {"task": jr.cases(TASKS), "samples": list(config.samples), "seed": jr.seeds(config.seeds)},
        args=(*texts, shares, np.float64(config.noise)),
        dims={
            **{name: {"share": shares} for name in ("selected", "found", "residual", "right")},
            "leading": {"place": np.arange(LEADING)},
        },
        x64=True,
        **options,
    )
    return measure_recovery(
        result.assign_attrs(libraries=describe_versions(config.libraries)).assign(
            chosen=_choose(result, features),
            frequency=(("corpus", "feature"), frequency),
            name=(("corpus", "feature"), np.array(names)),
            support=config.support,
            corpus=list(corpora),
        )
    )


def fit_sample(
    contains: Any,
    labels: Any,
    starts: Any,
    sizes: Any,
    frequency: Any,
    shares: Any,
    noise: Any,
    *,
    seed: Any,
    samples: Any,
    corpus: Any,
    labelled: Any,
    widest: int,
    held_out: int,
    support: int,
) -> dict[str, Any]:
    """One sample of documents with its target and its path. Rows beyond `samples` are zeros: one program for all."""
    streams = jr.randomness.split(seed, "documents", "support", "signs", "noise")
    rank = jnp.where(jnp.arange(contains.shape[0]) < sizes[corpus], 0.0, 1.0)
    order = jnp.argsort(rank + jax.random.uniform(streams["documents"], rank.shape))[: widest + held_out]
    rows = starts[corpus] + order
    inside = jnp.arange(widest) < samples
    count = samples.astype(noise.dtype)

    def standardize(values: Any) -> tuple[Any, Any]:
        """Values of the sample, and of the held-out documents, less the sample's mean; scaled by its deviation."""
        mean = jnp.where(inside.reshape(-1, *[1] * (values.ndim - 1)), values[:widest], 0).sum(0) / count
        centred = values - mean[None]
        seen = jnp.where(inside.reshape(-1, *[1] * (values.ndim - 1)), centred[:widest], 0)
        return seen, centred[widest:]

    seen, unseen = standardize(contains[rows].astype(noise.dtype))
    deviation = jnp.sqrt((seen * seen).sum(0) / count)
    scale = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 0)
    seen, unseen = seen * scale[None], unseen * scale[None]

    common = (frequency[corpus] >= COMMON[0]) & (frequency[corpus] <= COMMON[1]) & (deviation > 0)
    lot = jnp.where(common, jax.random.uniform(streams["support"], common.shape), -1.0)
    matters = jax.lax.top_k(lot, support)[1]
    signs = jnp.where(jax.random.bernoulli(streams["signs"], 0.5, (support,)), 1.0, -1.0).astype(noise.dtype)
    made = jnp.concatenate([seen[:, matters], unseen[:, matters]]) @ signs
    made = made + noise * jax.random.normal(streams["noise"], made.shape, noise.dtype)
    y, y_unseen = standardize(jnp.where(labelled > 0, labels[rows].astype(noise.dtype), made))

    largest = jnp.abs(jnp.einsum("np,n->p", seen, y, precision="highest")).max() / widest
    path = lasso_path(seen, y, shares * largest, fit_intercept=False)
    kept = path.coef != 0
    fitted, predicted = path.predict(seen), path.predict(unseen)
    lead = path.coef[jnp.abs(shares - _LEADING_SHARE).argmin()]
    return {
        "selected": kept.sum(-1).astype(jnp.int32),
        "found": kept[:, matters].sum(-1).astype(jnp.int32),
        "residual": ((fitted - y[None]) ** 2).sum(-1) / count,
        "right": ((predicted > 0) == (y_unseen > 0)[None]).mean(-1, dtype=noise.dtype),
        "gap": path.gap.max(),
        "leading": jax.lax.top_k(jnp.abs(lead), LEADING)[1].astype(jnp.int32),
    }


def _choose(result: xr.Dataset, features: int) -> xr.DataArray:
    r"""Where along the path $n \log(\text{RSS}/n) + \text{df}\,(\log n + 2 \log p)$ is least, df features being kept.

    Source: Chen and Chen, Biometrika 95 (2008): the extended BIC with γ = 1.
    """
    n = result["samples"]
    fit = n * np.log(result["residual"].where(result["residual"] > 0, np.nan))
    score = fit + result["selected"] * (np.log(n) + 2 * math.log(features))
    return score.fillna(np.inf).argmin("share")


def measure_recovery(dataset: xr.Dataset) -> xr.Dataset:
    """The same with `precision`, `recall` and `exact` along the path, and the `threshold`."""
    selected, found, support = dataset["selected"], dataset["found"], int(dataset["support"])
    return dataset.assign(
        precision=(found / selected.where(selected > 0)).astype(float),
        recall=found / support,
        exact=(found == support) & (selected == support),
        threshold=2 * support * math.log(dataset.sizes["feature"] - support),
    )


def at_chosen(dataset: xr.Dataset) -> xr.Dataset:
    """The recovery at the α of least extended BIC."""
    return dataset[["recall", "exact", "diverged"]].isel(share=dataset["chosen"])


def at_most(dataset: xr.Dataset, share: float) -> xr.Dataset:
    """`right` at the smallest α of the path that keeps no more than this share of all features; with `diverged`."""
    few = dataset["selected"] <= share * dataset.sizes["feature"]
    place = few.where(few.cumprod("share") > 0, False).sum("share") - 1  # before the first that keeps more
    return dataset[["diverged"]].assign(right=dataset["right"].isel(share=place.clip(0)))


def _with_most(task: str) -> Callable[[xr.Dataset], xr.Dataset]:
    return lambda dataset: at(dataset, task=task).isel(samples=-1)


def _on_path(task: str) -> Measure:
    return _of_samples(lambda runs: runs["exact"].any("share"), runs=_with_most(task))


def _chosen(task: str, is_right: Callable[[xr.Dataset], xr.DataArray]) -> Measure:
    return _of_samples(is_right, runs=lambda dataset: _with_most(task)(at_chosen(dataset)))


def _with_few(dataset: xr.Dataset) -> Estimate | None:
    """Exact support anywhere on the path, with the fewest documents, if those are fewer than the threshold."""
    runs = at(dataset, task="random text").isel(samples=0)
    if int(runs["samples"]) > float(dataset["threshold"]):
        return None
    return _of_samples(lambda runs: runs["exact"].any("share"))(runs)


_of_samples = partial(share, of="samples")
_T4 = "tutorial T4: sparse models for feature selection"
_MOST = "more than half of samples, with the most documents"
_BIC = f"{_MOST}, at the α of least extended BIC"

CLAIMS = (
    *(
        claim
        for task, text in (("random text", "random text"), ("docstrings", "real docstrings"))
        for claim in (
            Claim(
                f"Sparse models select features: some α keeps exactly the bigrams that matter, of {text} ({_MOST})",
                _T4,
                _on_path(task),
                Above(50),
            ),
            Claim(
                f"Without knowing them one keeps all the bigrams that matter, of {text} ({_BIC})",
                f"{_T4}, in practice",
                _chosen(task, lambda runs: runs["recall"] == 1),
                Above(50),
            ),
            Claim(
                f"Without knowing them one keeps all the bigrams that matter and no others, of {text} ({_BIC})",
                f"{_T4}, in practice and to the letter",
                _chosen(task, lambda runs: runs["exact"]),
                Above(50),
            ),
        )
    ),
    Claim(
        "With fewer than 2 k log(p - k) documents no α finds the support of random text (in more than half of samples)",
        "Wainwright, IEEE Trans. Inf. Theory 55 (2009), proved for Gaussian features",
        _with_few,
        Below(50),
    ),
    Claim(
        "At most 1 % of the bigrams put more than 75 % of new docstrings into the right library (mean, with the most "
        "documents, at the smallest such α)",
        _T4,
        mean(
            lambda runs: 100 * runs["right"],
            runs=lambda dataset: _with_most("library")(at_most(dataset, 0.01)),
            unit="% of new docstrings",
        ),
        Above(75),
    ),
)
