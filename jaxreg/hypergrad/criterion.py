"""How good a strength is: validation loss, leave-one-out, GCV and cross-validation of any linear fit."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int32, Key, PyTree

from jaxreg.checks import check_choice, check_key, read_array
from jaxreg.errors import ArgumentError
from jaxreg.hypergrad.objective import Objective, Outcome
from jaxreg.hypergrad.prepared import (
    Form,
    LassoAlong,
    join_folds,
    keep_apart,
    prepare_lasso,
    prepare_ridge,
    read_status,
)
from jaxreg.hypergrad.status import Status
from jaxreg.hypergrad.weighted import WeightedAlong, prepare_weighted
from jaxreg.linear import boundary
from jaxreg.linear.data_loss import DataLoss, Squared
from jaxreg.linear.design import Normalize, standardize
from jaxreg.linear.held import unwrap, wrap
from jaxreg.linear.posing import read_loss
from jaxreg.linear.selection import split_rows
from jaxreg.linear.solution import Solution
from jaxreg.linear.solving import solve
from jaxreg.penalties import L1, L2, Weighted
from jaxreg.sampling import shuffled_epoch
from jaxreg.values import register_value

CRITERIA = ("validation", "loo", "gcv", "cv")
_DATA = ("X", "y", "sample_weight", "offset")
_WIDEST = 256  # columns of a lasso that is followed along its whole path: a wide one has knots where no one looks
_WIDEST_GRAM = 1024  # columns whose Gram matrix, and an inverse, are kept for each data set


@dataclasses.dataclass(frozen=True, eq=False)
class LinearCriterion:
    r"""The error of a penalized linear model as a function of its hyperparameters, with their exact derivatives.

    The model is that of `linear.solve`, $\min_{b, b_0} \sum_i \omega_i \ell(\eta_i, y_i) / \sum_i \omega_i + P(b)$. An
    error is the mean of $\ell$, which for "squared" has ½:

    | `criterion` | |
    | --- | --- |
    | "validation" | over the rows of `X_validation` |
    | "cv" | over the rows held out, averaged over `folds` |
    | "loo" | $\sum_i \omega_i\, \ell(\eta_i + a_i \ell'_i / (1 - a_i \ell''_i),\; y_i)$ |
    | "gcv" | $\tfrac12 n \lVert r \rVert^2 / (n - \sum_i a_i)^2$, of "squared" alone |

    with $a_i = -\partial\eta_i/\partial t_i$, $t_i$ being what tilts the loss of one row, $\ell + t_i \eta$. To leave
    out one row is exact for a quadratic loss while the support stays, with the strength of the *sum* held (refits at
    $\alpha n / (n-1)$) and the design standardized once; for other losses it is one Newton step from the fit.

    Call it with a dict from name to numbers; the names are those of `names`: every number of the penalty ("alpha",
    "l1_ratio"; "factors", one strength for each coefficient of `Weighted` or each group of `GroupLasso`), of the loss,
    and "X", "y", "sample_weight", "offset". What is not named stays as it was given. `jax.grad`, `jax.jvp`, Hessian-
    vector products and `jax.vmap` apply; the derivatives are those of `linear.solve`, by the implicit function theorem.

    "loo" and "gcv" are NaN, INVALID, where a sparse fit has as many coefficients as rows: leaving out a row then leaves
    no unique fit. At a knot of the path, where a coefficient appears or vanishes, the derivative is that to the side on
    which the support stays, with the status KNOT; where all coefficients are 0, as for alpha >= alpha_max, it is 0,
    FLAT.

    Args:
        X: design (n, p).
        y: target (n,), as the loss takes it.
        loss: as in `linear.solve`.
        penalty: as in `linear.solve`; its numbers are where `at` does not name them.
        criterion: one of "validation", "loo", "gcv", "cv" (static).
        X_validation: rows of "validation".
        y_validation: their targets.
        folds: of "cv" (static).
        seed: key that shuffles the rows of "cv"; without it folds are runs of successive rows.
        sample_weight: as in `linear.solve`.
        offset: as in `linear.solve`.
        normalize: as in `linear.solve` (static).
        fit_intercept: as in `linear.solve` (static).

    Raises:
        ArgumentError: as `linear.solve`, an unknown criterion, or one that lacks its data or does not suit the loss.

    >>> from jaxreg.penalties import L1
    >>> X = jnp.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> y = jnp.array([4.0, -2.0, 1.5, 0.5])
    >>> criterion = LinearCriterion(X, y, penalty=L1(1.0), X_validation=X[:1], y_validation=y[:1])
    >>> criterion.names
    ('alpha', 'X', 'y', 'sample_weight', 'offset')
    >>> criterion({"alpha": jnp.float32(0.5)}), jax.grad(criterion)({"alpha": jnp.float32(0.5)})["alpha"].round(4)
    (Array(0.5, dtype=float32...), Array(2., dtype=float32...))

    Source: Bertrand et al., J. Mach. Learn. Res. 23 (2022) 1-43; Golub, Heath and Wahba, Technometrics 21 (1979)
    215-223; Rad and Maleki, J. R. Stat. Soc. B 82 (2020) 965-996.
    """

    X: Any
    y: Any
    loss: Any = "squared"
    penalty: Any = dataclasses.field(default_factory=lambda: L2(1.0))
    criterion: str = "validation"
    X_validation: Any = None
    y_validation: Any = None
    folds: int = 5
    seed: Key[Array, ""] | None = None
    sample_weight: Any = None
    offset: Any = None
    normalize: Normalize = None
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        """Refuse what cannot be evaluated."""
        check_choice("criterion", self.criterion, CRITERIA)
        boundary.check_form(self.normalize, self.fit_intercept)
        loss = read_loss(self.loss)
        if not all(callable(getattr(self.penalty, name, None)) for name in ("value", "prox")):
            remedy = "Give penalties.L2(0.1), say"
            raise ArgumentError("penalty", self.penalty, "must have value(params) and prox(params, step)", remedy)
        rows = boundary.read_design(self.X).shape[0]
        if self.criterion == "validation" and (self.X_validation is None or self.y_validation is None):
            remedy = 'Give X_validation and y_validation, or criterion="cv"'
            raise ArgumentError("X_validation", None, "is what the criterion is measured on", remedy)
        if self.criterion == "validation":
            seen, columns = read_array("X_validation", self.X_validation).shape, boundary.read_design(self.X).shape[1]
            if len(seen) != 2 or seen[1] != columns:
                raise ArgumentError("X_validation", seen, f"must have the {columns} columns of X", "Prepare both alike")
            told = read_array("y_validation", self.y_validation).shape
            if told[:1] != seen[:1]:
                constraint = f"must have one value per row of X_validation, {seen[0]}"
                raise ArgumentError("y_validation", told, constraint, "Match their lengths")
        if self.criterion == "gcv" and not isinstance(loss, Squared):
            raise ArgumentError("criterion", "gcv", "is for the squared loss", 'Choose "loo" or "cv"')
        if self.criterion == "loo" and loss.outputs is not None:
            raise ArgumentError("criterion", "loo", "is for losses of one predictor", 'Choose "cv"')
        if self.criterion == "cv":
            boundary.check_integer("folds", self.folds, 2, rows // 2, "Give 5 or 10")
            if self.seed is not None:
                check_key("seed", self.seed)
        object.__setattr__(self, "loss", loss)

    @property
    def names(self) -> tuple[str, ...]:
        """What can be differentiated."""
        return tuple(dict.fromkeys([*_numbers_of(self.penalty), *_numbers_of(self.loss), *_DATA]))

    def __call__(self, at: Mapping[str, PyTree]) -> Float[Array, ""]:
        """The error at these hyperparameters."""
        return self.evaluate(at).value

    def evaluate(self, at: Mapping[str, PyTree]) -> Outcome:
        """The error and its status."""
        for name in at:
            if name not in self.names:
                raise ArgumentError(
                    "hyperparameters",
                    name,
                    "cannot be differentiated here",
                    f"Differentiable are {', '.join(self.names)}",
                )
        self.check_shapes(at)
        own = {name: value for name, value in at.items() if name not in _DATA}
        given = dataclasses.replace(
            self,
            penalty=_put(self.penalty, own),
            loss=_put(self.loss, own),
            **{name: at[name] for name in _DATA if name in at},
        )
        return given._measure()

    def check_shapes(self, at: Mapping[str, PyTree]) -> None:
        """Refuse several numbers for one, and factors that are not one for each coefficient or group."""
        columns, penalty = boundary.read_design(self.X).shape[1], self.penalty
        count = int(np.max(penalty.blocks((columns,)))) + 1 if hasattr(penalty, "blocks") else columns
        for name, shape in {name: np.shape(value) for name, value in at.items() if name not in _DATA}.items():
            if name == "factors" and self.loss.outputs is None and shape not in ((), (1,), (count,)):
                constraint = f"must be one number, or one for each of {count} coefficients or groups"
                raise ArgumentError(name, shape, constraint, f"Give jnp.ones({count})")
            if name not in ("factors", "low", "high") and shape:
                remedy = "Give Weighted(L1(0.1), factors) for one strength for each coefficient"
                raise ArgumentError(name, shape, "must be one number", remedy)

    def _measure(self) -> Outcome:
        if self.criterion == "cv":
            return self._cross_validate()
        if _is_plain(self, L2):
            return self.prepare(("alpha",)).evaluate({"alpha": self.penalty.alpha})
        fit = self._fit(self.X, self.y)
        status = read_status(fit.status) | self._find_kinks(fit)
        if self.criterion == "validation":
            return Outcome(fit.cost(self.X_validation, self.y_validation).mean(), status)
        return Outcome(self._leave_out(fit), status)

    def _fit(self, X: Any, y: Any, rows: Any = None, loss: DataLoss | None = None) -> Solution:
        """The fit of all rows, or of some."""
        weight, offset = (
            part if part is None or rows is None else jnp.asarray(part)[rows]
            for part in (self.sample_weight, self.offset)
        )
        given: dict[str, Any] = {"sample_weight": weight, "offset": offset, "normalize": self.normalize}
        return solve(X, y, self.loss if loss is None else loss, self.penalty, **given, fit_intercept=self.fit_intercept)

    def prepare(self, names: tuple[str, ...]) -> Objective:
        """The same, to be evaluated at many values of these names alone: what the others decide is computed once.

        Of a ridge or a lasso in its strength that is a decomposition or an exact path, of a wide lasso, or one with a
        strength for each coefficient, its Gram matrix; all else is returned as it is.
        """
        one, many = set(names) == {"alpha"}, set(names) <= {"alpha", "factors"}
        is_ridge, is_lasso = one and _is_plain(self, L2) and self.criterion != "cv", one and _is_plain(self, L1)
        is_weighted = many and _is_plain(self, Weighted) and type(self.penalty.penalty) is L1
        rows, columns = boundary.read_design(self.X).shape
        fitted = rows - -(-rows // self.folds) if self.criterion == "cv" else rows
        weighted = is_weighted or (is_lasso and columns > min(fitted - 2, _WIDEST))
        if not (is_ridge or is_lasso or is_weighted) or (weighted and columns > _WIDEST_GRAM):
            return self
        X, y = boundary.read_data(self.X, self.y)
        form = Form(self.criterion, self.normalize, self.fit_intercept)
        held = None
        if self.criterion == "validation":
            held = jnp.asarray(self.X_validation, X.dtype), boundary.read_floats("y_validation", self.y_validation)
        if is_ridge:
            return prepare_ridge(X, y, form, held)
        make: Any = prepare_weighted if weighted else prepare_lasso
        parts: tuple[Any, ...]
        if self.criterion == "cv":
            order = self._order(len(X))
            parts = tuple(
                jax.vmap(lambda train, test: make(X[train], y[train], form, (X[test], y[test])))(
                    order[train], order[test]
                )
                for train, test in split_rows(len(X), self.folds)
            )
        else:
            parts = (jax.tree.map(lambda leaf: leaf[None], make(X, y, form, held)),)
        if weighted:
            inner = self.penalty if is_lasso else self.penalty.penalty
            alpha, factors = inner.alpha, 1.0 if is_lasso else self.penalty.factors
            return WeightedAlong(form, parts, jnp.asarray(alpha, X.dtype), jnp.asarray(factors, X.dtype))
        return LassoAlong(form, parts)

    def _order(self, n: int) -> Array:
        """The rows, as folds take them."""
        return jnp.arange(n) if self.seed is None else shuffled_epoch(self.seed, n, n).index[0]

    def _cross_validate(self) -> Outcome:
        X, y = boundary.read_design(self.X), jnp.asarray(self.y)
        n = X.shape[0]
        order = self._order(n)

        def score(train: Array, test: Array) -> tuple[Array, Array]:
            fit = self._fit(X[train], y[train], train)
            return fit.cost(X[test], y[test]).mean(), read_status(fit.status) | self._find_kinks(fit, train)

        parts = [jax.vmap(score)(order[train], order[test]) for train, test in split_rows(n, self.folds)]
        return join_folds(parts)

    def _leave_out(self, fit: Solution) -> Float[Array, ""]:
        X = boundary.read_design(self.X)
        n, y = X.shape[0], self.loss.read(self.y)
        weight = jnp.ones(n, X.dtype) if self.sample_weight is None else jnp.asarray(self.sample_weight, X.dtype)
        weight = weight / weight.sum()

        def tilted(tilt: Array) -> tuple[Array, Array]:
            found = self._fit(X, self.y, loss=Tilted(self.loss, tilt))
            return found.coef, found.intercept

        coef_dot, intercept_dot = jax.jacfwd(tilted)(jnp.zeros(n, X.dtype))
        share = -(jnp.einsum("ip,pi->i", X, coef_dot, precision="highest") + intercept_dot)
        eta = fit.predict(X, self.offset)
        if self.criterion == "gcv":
            return ((eta - y) ** 2).mean() / keep_apart(1 - share.mean()) ** 2 / 2
        slope, curvature = self.loss.slope(eta, y), self.loss.curvature(eta, y)
        return (weight * self.loss.value(eta + share * slope / keep_apart(1 - share * curvature), y)).sum()

    def _find_kinks(self, fit: Solution, rows: Any = None) -> Int32[Array, ""]:
        """KNOT where the proximal step has another derivative a little to either side; FLAT without coefficients."""
        X, y = boundary.read_design(self.X), self.loss.read(self.y)
        weight = jnp.ones(len(X), X.dtype) if self.sample_weight is None else jnp.asarray(self.sample_weight, X.dtype)
        offset = self.offset if self.offset is None else jnp.asarray(self.offset)
        if rows is not None:
            X, y, weight, offset = X[rows], y[rows], weight[rows], None if offset is None else offset[rows]
        held = lax.stop_gradient((X, y, weight / weight.sum(), offset, fit.coef, fit._replace(loss=None), self.penalty))
        X, y, weight, offset, coef, still, penalty = held
        design = standardize(X, self.normalize, center=self.fit_intercept)
        eta = still._replace(loss=fit.loss).predict(X, offset)
        axes = "n,np->p" if eta.ndim == 1 else "nk,np->pk"
        pull = (weight if eta.ndim == 1 else weight[:, None]) * self.loss.slope(eta, y)
        slope = jnp.einsum(axes, pull, design.X, precision="highest")
        scale = design.scale if eta.ndim == 1 else design.scale[:, None]
        step = 1 / jnp.maximum((weight[:, None] * design.X**2).sum(), jnp.finfo(X.dtype).tiny)
        z = coef * scale - step * slope
        near = 10 * float(jnp.finfo(X.dtype).eps) ** 0.5

        def bend(factor: float) -> Array:
            return jax.jvp(lambda z: penalty.prox(z, step), (factor * z,), (z,))[1]

        sides = bend(1 + near), bend(1 - near)
        differs = (jnp.abs(sides[0] - sides[1]) > 0.01 * jnp.maximum(jnp.abs(sides[0]), jnp.abs(sides[1]))).any()
        flat = (coef == 0).all()
        kinks = jnp.where(differs, int(Status.KNOT), 0) | jnp.where(flat, int(Status.FLAT), 0)
        return kinks.astype(jnp.int32)


@register_value()
@dataclasses.dataclass(frozen=True)
class Tilted(DataLoss):
    r"""Another loss plus $t_i \eta_i$: its solutions move with t as they do without a row."""

    loss: Any
    tilt: Float[Array, " n"]

    def __post_init__(self) -> None:
        """Hold the loss, whatever it is, as a part of a pytree."""
        object.__setattr__(self, "loss", wrap(unwrap(self.loss)))

    @property
    def quadratic(self) -> bool:  # type: ignore[override]
        """As the loss."""
        return unwrap(self.loss).quadratic

    @property
    def bounded(self) -> bool:  # type: ignore[override]
        """As the loss."""
        return unwrap(self.loss).bounded

    @property
    def has_dual(self) -> bool:
        """None is needed: at t = 0 the fit without a tilt has a certificate."""
        return False

    def value(self, eta: Array, y: Array) -> Array:
        """The loss, tilted."""
        return unwrap(self.loss).value(eta, y) + self.tilt * eta

    def slope(self, eta: Array, y: Array) -> Array:
        """Its derivative."""
        return unwrap(self.loss).slope(eta, y) + self.tilt

    def curvature(self, eta: Array, y: Array) -> Array:
        """As the loss."""
        return unwrap(self.loss).curvature(eta, y)

    def start(self, y: Array, weight: Array) -> Array:
        """As the loss."""
        return unwrap(self.loss).start(y, weight)

    def read(self, y: Any) -> Array:
        """As the loss."""
        return unwrap(self.loss).read(y)

    def fits(self, y: Array) -> Array:
        """As the loss."""
        return unwrap(self.loss).fits(y)

    def neutral(self, y: Array) -> Array:
        """As the loss."""
        return unwrap(self.loss).neutral(y)


def prepare(objective: Any, at: Mapping[str, PyTree]) -> Any:
    """`LinearCriterion.prepare` for hyperparameters of the right shapes; any other objective as it is."""
    if not isinstance(objective, LinearCriterion):
        return objective
    objective.check_shapes(at)
    return objective.prepare(tuple(at))


def _is_plain(of: LinearCriterion, penalty: type) -> bool:
    """Whether it is that of a squared loss without weights, with this penalty."""
    plain = of.sample_weight is None and of.offset is None
    return plain and type(of.penalty) is penalty and isinstance(of.loss, Squared)


def _numbers_of(value: Any) -> list[str]:
    """The names of the numbers in a penalty or loss, those of what is inside it last."""
    if not dataclasses.is_dataclass(value) or jax.tree_util.all_leaves([value]):
        return []
    parts = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    moved = [str(getattr(path[0], "name", "")) for path, _ in jax.tree_util.tree_leaves_with_path(value)]
    own = [name for name in parts if name in moved and not dataclasses.is_dataclass(parts[name])]
    inner = [name for part in parts.values() if dataclasses.is_dataclass(part) for name in _numbers_of(part)]
    return [*own, *(name for name in inner if name not in own)]


def _put(value: Any, numbers: Mapping[str, Any]) -> Any:
    """A penalty or loss with other numbers."""
    if not numbers or not dataclasses.is_dataclass(value):
        return value
    mine = set(_numbers_of(value))
    changed = {}
    for field in dataclasses.fields(value):
        part = getattr(value, field.name)
        if dataclasses.is_dataclass(part):
            own = [f.name for f in dataclasses.fields(value)]
            changed[field.name] = _put(part, {name: v for name, v in numbers.items() if name not in own})
        elif field.name in numbers and field.name in mine:
            changed[field.name] = numbers[field.name]
    return dataclasses.replace(value, **changed) if changed else value  # type: ignore[type-var]
