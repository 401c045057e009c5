"""Other libraries' penalty strengths, brought to the scale of `jaxreg.penalties`.

Here the data loss is a mean over samples: of a cross-entropy, or of `losses.squared`, which has no ½. For a data loss
of ‖y - Xb‖²/(2n), halve what the three functions for regression and glmnet return.
"""

from jaxreg.checks import NOT_NEGATIVE, POSITIVE, Domain
from jaxreg.penalties import L1, L2, ElasticNet, Scalar

_REMEDY = "Give the strength that the other library is given"
_SAMPLES = Domain(1, 2**63, whole=True)


def from_keras_l1(c: Scalar) -> L1:
    r"""Keras' `l1(c)`, $c \sum |w|$: `alpha` = c.

    >>> from_keras_l1(0.01)
    L1(alpha=0.01)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L1(c)


def from_keras_l2(c: Scalar) -> L2:
    r"""Keras' `l2(c)`, $c \sum w^2$ without ½: `alpha` = 2c.

    >>> from_keras_l2(0.01)
    L2(alpha=0.02)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L2(2 * c)


def from_weight_decay(c: Scalar) -> L2:
    r"""Weight decay of gradient $c w$, as `optax.add_decayed_weights(c)` and PyTorch's `SGD` have it: `alpha` = c.

    >>> from_weight_decay(0.01)
    L2(alpha=0.01)
    """
    NOT_NEGATIVE.check("c", c, _REMEDY)
    return L2(c)


def from_sklearn_ridge(alpha: Scalar, n: int) -> L2:
    r"""scikit-learn's `Ridge(alpha)`, $\|y - Xb\|^2 + \alpha \|b\|^2$ over n samples: `alpha` = 2 alpha / n.

    >>> from_sklearn_ridge(0.5, n=50)
    L2(alpha=0.02)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    _SAMPLES.check("n", n, "Give the number of samples")
    return L2(2 * alpha / n)


def from_sklearn_lasso(alpha: Scalar) -> L1:
    r"""scikit-learn's `Lasso(alpha)`, $\tfrac1{2n}\|y - Xb\|^2 + \alpha \|b\|_1$: `alpha` = 2 alpha.

    >>> from_sklearn_lasso(0.001)
    L1(alpha=0.002)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    return L1(2 * alpha)


def from_sklearn_elastic_net(alpha: Scalar, l1_ratio: Scalar) -> ElasticNet:
    r"""scikit-learn's `ElasticNet(alpha, l1_ratio)`, of data loss $\tfrac1{2n}\|y - Xb\|^2$: `alpha` = 2 alpha.

    >>> from_sklearn_elastic_net(0.1, 0.5)
    ElasticNet(alpha=0.2, l1_ratio=0.5)
    """
    NOT_NEGATIVE.check("alpha", alpha, _REMEDY)
    return ElasticNet(2 * alpha, l1_ratio)


def from_sklearn_logistic(C: Scalar, n: int) -> L2:
    r"""scikit-learn's `LogisticRegression(C)`, $C \sum_i \ell_i + \tfrac12 \|w\|^2$ on n samples: `alpha` = 1/(C n).

    >>> from_sklearn_logistic(1.0, n=50)
    L2(alpha=0.02)
    """
    POSITIVE.check("C", C, _REMEDY)
    _SAMPLES.check("n", n, "Give the number of samples")
    return L2(1 / (C * n))


def from_glmnet(lambda_: Scalar, alpha: Scalar) -> ElasticNet:
    r"""The gaussian family of glmnet, $\tfrac1{2n}\|y - Xb\|^2 + \lambda (a \|b\|_1 + \tfrac{1-a}2 \|b\|^2)$.

    Its `alpha`, $a$, is `l1_ratio` here and twice its $\lambda$ is `alpha`, on data that glmnet has not rescaled: it
    standardises columns (unless `standardize = FALSE`) and always the response, which matters for $a < 1$.

    >>> from_glmnet(0.1, alpha=0.5)
    ElasticNet(alpha=0.2, l1_ratio=0.5)
    """
    NOT_NEGATIVE.check("lambda_", lambda_, _REMEDY)
    return ElasticNet(2 * lambda_, l1_ratio=alpha)
