"""Other libraries' penalty strengths, brought to the scale of `jaxreg.penalties`.

Here the data loss is a mean over samples: of a cross-entropy, or of `losses.squared`, which has no ½. `linear.solve`
and all of `jaxreg.linear` take half of it, ‖y - Xb‖²/(2n): with `half=True` the functions for regression return what
belongs there. A cross-entropy, a Poisson loss and Huber's are the same in both.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Num

from jaxreg.checks import NOT_NEGATIVE, POSITIVE, Domain, check_flag, check_kind, read_floats
from jaxreg.errors import ArgumentError
from jaxreg.penalties import L1, L2, MCP, SCAD, ElasticNet, GroupLasso, Scalar, Weighted
from jaxreg.penalties.groups import Groups

_REMEDY = "Give the strength that the other library is given"
_SAMPLES = Domain(1, 2**63, whole=True)
_FACTORS = "Give one factor of 0 or more per coefficient, not all 0"


def _factor(half: bool) -> int:
    """What a strength beside half of the mean square is worth beside the mean square."""
    check_flag("half", half, "True for jaxreg.linear, False for losses.squared")
    return 1 if half else 2


def from_keras_l1(c: Scalar) -> L1:
    r"""Keras' `l1(c)`, $c \sum |w|$: `alpha` = c.

    Raises:
        ArgumentError: a strength below 0.

    >>> from_keras_l1(0.01)
    L1(alpha=0.01)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L1(c)


def from_keras_l2(c: Scalar) -> L2:
    r"""Keras' `l2(c)`, $c \sum w^2$ without ½: `alpha` = 2c.

    Raises:
        ArgumentError: a strength below 0.

    >>> from_keras_l2(0.01)
    L2(alpha=0.02)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L2(2 * c)


def from_weight_decay(c: Scalar) -> L2:
    r"""Weight decay of gradient $c w$, as `optax.add_decayed_weights(c)` and PyTorch's `SGD` have it: `alpha` = c.

    Raises:
        ArgumentError: a strength below 0.

    >>> from_weight_decay(0.01)
    L2(alpha=0.01)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L2(c)


def from_sklearn_ridge(alpha: Scalar, n: int, *, half: bool = False) -> L2:
    r"""scikit-learn's `Ridge(alpha)`, $\|y - Xb\|^2 + \alpha \|b\|^2$ over n samples: `alpha` = 2 alpha / n, or half.

    Raises:
        ArgumentError: a strength below 0, or a number of samples below 1.

    >>> from_sklearn_ridge(0.5, n=50)
    L2(alpha=0.02)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    _SAMPLES.check("n", n, "Give the number of samples")
    return L2(_factor(half) * alpha / n)


def from_sklearn_lasso(alpha: Scalar, *, half: bool = False) -> L1:
    r"""scikit-learn's `Lasso(alpha)`, $\tfrac1{2n}\|y - Xb\|^2 + \alpha \|b\|_1$: `alpha` = 2 alpha, or half.

    Raises:
        ArgumentError: a strength below 0.

    >>> from_sklearn_lasso(0.001)
    L1(alpha=0.002)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    return L1(_factor(half) * alpha)


def from_sklearn_elastic_net(alpha: Scalar, l1_ratio: Scalar, *, half: bool = False) -> ElasticNet:
    r"""scikit-learn's `ElasticNet(alpha, l1_ratio)`, on $\tfrac1{2n}\|y - Xb\|^2$: `alpha` = 2 alpha, or half.

    Raises:
        ArgumentError: a strength below 0, or an `l1_ratio` outside [0, 1].

    >>> from_sklearn_elastic_net(0.1, 0.5)
    ElasticNet(alpha=0.2, l1_ratio=0.5)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    return ElasticNet(_factor(half) * alpha, l1_ratio)


def from_sklearn_logistic(C: Scalar, n: int, l1_ratio: Scalar | None = None) -> L2 | ElasticNet:
    r"""scikit-learn's `LogisticRegression(C)`, $C \sum_i \ell_i + \tfrac12 \|w\|^2$ on n samples: `alpha` = 1/(C n).

    With an `l1_ratio` $\rho$ its penalty is $\rho\|w\|_1 + \tfrac12(1-\rho)\|w\|^2$. Its "liblinear" penalises the
    intercept too.

    Raises:
        ArgumentError: a `C` that is not positive, a number of samples below 1, or an `l1_ratio` outside [0, 1].

    >>> from_sklearn_logistic(1.0, n=50), from_sklearn_logistic(1.0, 50, l1_ratio=1.0)
    (L2(alpha=0.02), ElasticNet(alpha=0.02, l1_ratio=1.0))
    """
    POSITIVE.check("C", C, _REMEDY)
    _SAMPLES.check("n", n, "Give the number of samples")
    return L2(1 / (C * n)) if l1_ratio is None else ElasticNet(1 / (C * n), l1_ratio)


def from_glmnet(
    lambda_: Scalar,
    alpha: Scalar,
    *,
    penalty_factor: Num[Array | np.ndarray, " p"] | None = None,
    half: bool = False,
) -> ElasticNet | Weighted:
    r"""glmnet, $\tfrac1{2n}\|y - Xb\|^2 + \lambda \sum_j f_j (a |b_j| + \tfrac{1-a}2 b_j^2)$.

    Its `alpha`, $a$, is `l1_ratio` here and twice its $\lambda$ is `alpha`; its $\lambda$ itself with `half`, and so
    for its binomial, multinomial and Poisson families, whose loss is the mean. That is on data that glmnet has not
    rescaled: it standardises columns (unless `standardize = FALSE`) and the gaussian response always, which matters for
    $a < 1$. Its penalty factors it rescales to a sum of p, and so does this.

    Args:
        lambda_: its `lambda`.
        alpha: its `alpha`, the share of L1.
        penalty_factor: its `penalty.factor`, $f$.
        half: for `jaxreg.linear`, whose loss has the ½ too.

    Raises:
        ArgumentError: a strength below 0, an `alpha` outside [0, 1], or factors that are negative or all 0.

    >>> from_glmnet(0.1, alpha=0.5)
    ElasticNet(alpha=0.2, l1_ratio=0.5)
    >>> from_glmnet(0.1, alpha=1.0, penalty_factor=np.array([0.0, 1.0]), half=True).factors
    Array([0., 2.], dtype=float32)
    """
    NOT_NEGATIVE.check("lambda_", lambda_, _REMEDY)
    penalty = ElasticNet(_factor(half) * lambda_, l1_ratio=alpha)
    if penalty_factor is None:
        return penalty
    NOT_NEGATIVE.check_all("penalty_factor", penalty_factor, _FACTORS)
    factors = read_floats("penalty_factor", penalty_factor).astype(jnp.result_type(float))
    total = factors.sum()
    if factors.ndim != 1 or not (isinstance(total, jax.core.Tracer) or float(total) > 0):
        raise ArgumentError("penalty_factor", penalty_factor, "must be flat and not all 0", _FACTORS)
    return Weighted(penalty, factors * factors.shape[0] / total)


_SKGLM: dict[str, Any] = {"L1": L1, "L2": L2, "L1_plus_L2": ElasticNet, "MCPenalty": MCP, "SCAD": SCAD}


def from_skglm(name: str, alpha: Scalar, *, half: bool = False, **others: Any) -> Any:
    r"""A penalty of skglm, whose datafits are $\tfrac1{2n}\|y - Xb\|^2$, and the mean of other losses.

    With `half`, for `linear.solve`, numbers stay as they are; else `alpha` is twice its own, but for `MCPenalty` and
    `SCAD`, in whose shape it is: for those `half` is needed.

    Args:
        name: "L1", "L2", "L1_plus_L2", "MCPenalty", "SCAD", or "WeightedGroupL2" with weights $\sqrt{p_g}$.
        alpha: its strength.
        half: whether the data loss has ½.
        others: its other numbers: `l1_ratio`, `gamma` (of SCAD too), `groups`.

    Raises:
        ArgumentError: an unknown penalty, one without its numbers or the `half` that it needs, a strength below 0.

    >>> from_skglm("SCAD", 0.1, gamma=3.7, half=True)
    SCAD(alpha=0.1, a=3.7)
    """
    check_kind("name", name, str, "Give the name of a penalty of skglm")
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    strength = _factor(half) * alpha
    remedy = f"Give {', '.join(_SKGLM)} or WeightedGroupL2, with its own arguments"
    try:
        if name == "WeightedGroupL2":
            groups: Groups = others.pop("groups")
            return GroupLasso(strength, groups=groups, **others)
        if name in ("SCAD", "MCPenalty") and not half:
            raise ArgumentError("half", half, f"must be True for {name}", "Use linear.solve, whose squared loss has ½")
        if name == "SCAD":
            others = {"a": others.pop("gamma"), **others}
        return _SKGLM[name](strength, **others)
    except (KeyError, TypeError) as error:
        raise ArgumentError("name", name, f"must be a known penalty with its numbers ({error})", remedy) from error
