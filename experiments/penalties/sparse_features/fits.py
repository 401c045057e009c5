"""One sample of the study of sparse features: documents, a target, and the lasso's path over all their bigrams."""

from typing import Any

import jax
import jax.numpy as jnp

import jaxreg as jr
from jaxreg.linear import lasso_path

COMMON = (0.05, 0.5)
"""Shares of documents in which a feature that matters occurs, from the rarest to the most common."""
LEADING = 8
"""Number of features of the largest coefficients that are recorded."""
_LEADING_SHARE = 0.3


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
        centred = values - mean
        seen = jnp.where(inside.reshape(-1, *[1] * (values.ndim - 1)), centred[:widest], 0)
        return seen, centred[widest:]

    seen, unseen = standardize(contains[rows].astype(noise.dtype))
    deviation = jnp.sqrt((seen * seen).sum(0) / count)
    scale = jnp.where(deviation > 0, 1 / jnp.where(deviation > 0, deviation, 1), 0)
    seen, unseen = seen * scale, unseen * scale

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
        "residual": ((fitted - y) ** 2).sum(-1) / count,
        "right": ((predicted > 0) == (y_unseen > 0)).mean(-1, dtype=noise.dtype),
        "varying": (deviation > 0).sum().astype(jnp.int32),
        "gap": path.gap.max(),
        "leading": jax.lax.top_k(jnp.abs(lead), LEADING)[1].astype(jnp.int32),
    }
