"""Every public function of jaxreg that computes on a device, as the run of a small sweep: what `compile` compiles."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxreg import hypergrad, landscape, linear, losses, nets, penalties, randomness, sampling
from jaxreg.nets import scratch

_RANDOM = np.random.default_rng(0)
_DESIGN = _RANDOM.normal(size=(24, 6))
_IMAGES, _LABELS = _RANDOM.uniform(size=(96, 64)).astype(np.float32), np.arange(96, dtype=np.int32) % 10
_DATA = (_IMAGES, _LABELS, _IMAGES[:32], _LABELS[:32])


class Kernel(NamedTuple):
    """A call, its shared data, and axes beside the seeds."""

    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    axes: Mapping[str, Any] = {}


def list_kernels() -> dict[str, Kernel]:
    """Every public kernel by name."""
    return {**_linear(), **_landscape(), **_nets(), **_hypergrad(), **_rest()}


def _draw_target(X: Any, seed: Any) -> Any:
    return X[:, 0] + jax.random.normal(seed, (X.shape[0],), X.dtype)


def _linear() -> dict[str, Kernel]:
    alphas = np.geomspace(1e-3, 1, 8)

    def of(call: Callable[[Any, Any], Any]) -> Kernel:
        return Kernel(lambda X, *, seed: call(X, _draw_target(X, seed)), (_DESIGN,))

    fits: dict[str, Callable[[Any, Any], Any]] = {
        "least_squares": linear.least_squares,
        "ridge": lambda X, y: linear.ridge(X, y, 0.1),
        "ridge_path": lambda X, y: linear.ridge_path(X, y, alphas),
        "lasso": lambda X, y: linear.lasso(X, y, 0.1),
        "lasso_path": lambda X, y: linear.lasso_path(X, y, alphas),
        "elastic_net": lambda X, y: linear.elastic_net(X, y, 0.1, l1_ratio=0.5),
        "elastic_net_path": lambda X, y: linear.elastic_net_path(X, y, alphas, l1_ratio=0.5),
        "lars_path": linear.lars_path,
        "lars_path.at": lambda X, y: linear.lars_path(X, y).at(jnp.asarray(0.1, X.dtype)),
        "alpha_max": linear.alpha_max,
        "standardize": lambda X, y: linear.standardize(X * y[:, None], "l2"),
        "polynomial_features": lambda X, y: linear.polynomial_features(y, 5, basis="legendre"),
        "residual_variance": linear.residual_variance,
        "information_criteria": lambda X, y: _criteria(X, y, alphas),
        "cross_validate": lambda X, y: linear.cross_validate(linear.ridge_path, X, y, alphas, folds=4),
        "solve": lambda X, y: linear.solve(X, y, linear.Huber(), penalties.GroupLasso(0.1, groups=2)),
        "solve_path": lambda X, y: linear.solve_path(X, y, alphas, linear.Squared(), penalties.L1(0.1)),
        "solve_alpha_max": lambda X, y: linear.solve_alpha_max(X, y, linear.Squared(), penalties.L1(0.1)),
        "derivative of solve": lambda X, y: jax.grad(
            lambda y: linear.solve(X, y, linear.Squared(), penalties.L1(0.1)).coef.sum()
        )(y),
        "derivative of ridge": lambda X, y: jax.grad(lambda a: linear.ridge(X, y, a).coef.sum())(jnp.float32(0.1)),
        "derivative of lasso": lambda X, y: jax.grad(lambda y: linear.lasso(X, y, 0.1).coef.sum())(y),
        "ridge_risk": lambda X, y: linear.ridge_risk(X, y, 1.0, alphas),
    }
    return {f"linear.{name}": of(call) for name, call in fits.items()}


def _criteria(X: Any, y: Any, alphas: Any) -> Any:
    path = linear.lasso_path(X, y, alphas)
    return linear.information_criteria(path, X, y, linear.lasso_df(path.coef))


def _landscape() -> dict[str, Kernel]:
    x = np.linspace(-10, 10, 40)
    refit = landscape.refit_gradient(x, 0.01 * x**4 - x**2, 6, 10)
    gradients = {
        "noise": landscape.noisy_gradient(landscape.DOUBLE_WELL, 1.0),
        "refits": refit,
        "regression": landscape.regression_gradient(0.1, 4),
        "samples": landscape.location_gradient(x.astype(np.float32), 4),
    }
    rates = {"learning_rate": np.array([0.01, 0.1], np.float32)}

    def fall(gradient: Any, *, seed: Any, learning_rate: Any) -> Any:
        end = landscape.descend(gradient, 0.5, learning_rate, 100, seed=seed, record_every=50)
        return end.path, landscape.fate(end.weight, landscape.DOUBLE_WELL)

    def roll(gradient: Any, *, seed: Any, learning_rate: Any) -> Any:
        return landscape.descend(gradient, 0.5, learning_rate, 100, seed=seed, momentum=0.9).weight

    def escape(gradient: Any, *, seed: Any, learning_rate: Any) -> Any:
        return landscape.first_passage(gradient, -1.0, learning_rate, 100, seed=seed, target=0.0)

    def stay(gradient: Any, *, seed: Any, learning_rate: Any) -> Any:
        return landscape.occupancy(gradient, -1.0, learning_rate, 100, seed=seed, low=-2.0, high=2.0, bins=16)

    noise = (gradients["noise"],)
    return {
        **{f"landscape.descend on {name}": Kernel(fall, (of,), rates) for name, of in gradients.items()},
        "landscape.descend with momentum": Kernel(roll, noise, rates),
        "landscape.first_passage": Kernel(escape, noise, rates),
        "landscape.occupancy": Kernel(stay, noise, rates),
    }


def _nets() -> dict[str, Kernel]:
    rates = {"learning_rate": np.array([0.05, 0.1], np.float32)}
    small: dict[str, Any] = {"hidden": (16, 8), "batch_size": 32, "epochs": 2}
    moves = nets.Augmentation(rotation=10.0, shift=1.0, scale=0.1, shear=5.0)
    options: dict[str, dict[str, Any]] = {
        "dropout": {"dropout": 0.5, "input_dropout": 0.1},
        "penalties": {"l1": 1e-4, "l2": 1e-4, "max_norm": 2.0},
        "proximal L1": {"proximal_l1": 1e-4, "label_smoothing": 0.1},
        "noise": {"gradient_noise": 0.01, "input_noise": 0.1},
        "augmentation": {"augmentation": moves},
        "early stopping": {"stopping": nets.EarlyStopping("test_loss", patience=1), "return_params": False},
        "squared error": {"loss": "mean_squared_error", "activation": "relu", "initializer": "he_normal"},
    }
    decay = {"adamw": {"decoupled_weight_decay": 0.01}}
    options |= {f"optimizer {name}": {"optimizer": name, **decay.get(name, {})} for name in nets.OPTIMIZERS}
    options |= {f"schedule {name}": {"schedule": name} for name in nets.SCHEDULES}
    options |= {f"activation {name}": {"activation": name} for name in nets.ACTIVATIONS}

    def from_scratch(*, seed: Any) -> Any:
        return scratch.train(scratch.draw_weights(seed), jnp.eye(3), jnp.ones((3, 1)), steps=100).rises

    return {
        **{
            f"nets.train, {name}": Kernel(functools.partial(nets.train, **small, **more), _DATA, rates)
            for name, more in options.items()
        },
        "nets.augment": Kernel(lambda x, *, seed: nets.augment(seed, x, moves), (_IMAGES,)),
        "nets.scratch": Kernel(from_scratch),
    }


def _hypergrad() -> dict[str, Kernel]:
    options = {"hidden": (16, 8), "batch_size": 32, "epochs": 2, "optimizer": "momentum", "learning_rate": 0.1}
    at = {"learning_rate": jnp.float32(0.1), "l2": jnp.float32(1e-4)}

    def training(call: Callable[[Any, Any], Any]) -> Kernel:
        def run(x: Any, y: Any, x_after: Any, y_after: Any, *, seed: Any) -> Any:
            return call(hypergrad.Training(x, y, x_after, y_after, seed=seed, options=options), seed)

        return Kernel(run, _DATA)

    def linear_model(penalty: Any, criterion: str, *, prepared: bool = False) -> Kernel:
        def run(X: Any, *, seed: Any) -> Any:
            of: Any = hypergrad.LinearCriterion(X, _draw_target(X, seed), penalty=penalty, criterion=criterion)
            of = of.prepare(("alpha",)) if prepared else of  # as tune and the searches do
            return hypergrad.gradient(of, {"alpha": jnp.asarray(0.1, X.dtype)})

        return Kernel(run, (_DESIGN,))

    def curve(X: Any, *, seed: Any) -> Any:
        of = hypergrad.LinearCriterion(X, _draw_target(X, seed), criterion="loo")
        strength, along = ({"alpha": jnp.asarray(value, X.dtype)} for value in (0.1, 1.0))
        return hypergrad.hessian_vector_product(of, strength, along)

    def leave_out(X: Any, *, seed: Any) -> Any:
        target = _draw_target(X, seed)
        of = hypergrad.LinearCriterion(X, target, X_validation=X[:4], y_validation=target[:4])
        found = hypergrad.influence(of)
        return found, hypergrad.refit_without(of, [0, 1, 2], influence=found.influence)

    def evolve(training: Any, seed: Any) -> Any:
        return hypergrad.persistent_gradient(training, at, seed=seed, particles=2)

    def passage(*, seed: Any) -> Any:
        walk = landscape.noisy_gradient(landscape.DOUBLE_WELL, 1.0)
        return hypergrad.passage_gradient(walk, -1.0, 0.1, 100, seed=seed, target=0.0, samples=16)

    return {
        "hypergrad.gradient, forward": training(lambda of, _: hypergrad.gradient(of, at, mode="forward")),
        "hypergrad.gradient, reverse": training(lambda of, _: hypergrad.gradient(of, at, mode="reverse")),
        "hypergrad.gauge": training(lambda of, _: hypergrad.gauge(of, at)),
        "hypergrad.lyapunov": training(lambda of, _: hypergrad.lyapunov(of, at, count=2)),
        "hypergrad.hessian_vector_product": Kernel(curve, (_DESIGN,)),
        "hypergrad.refit_without": Kernel(leave_out, (_DESIGN,)),
        "hypergrad.influence": training(lambda of, _: hypergrad.influence(of)),
        "hypergrad.smooth_gradient": training(lambda of, seed: hypergrad.smooth_gradient(of, at, seed=seed, samples=2)),
        "hypergrad.persistent_gradient": training(evolve),
        "hypergrad.passage_gradient": Kernel(passage),
        "hypergrad.LinearCriterion, ridge loo": linear_model(penalties.L2(0.1), "loo"),
        "hypergrad.LinearCriterion, lasso cv": linear_model(penalties.L1(0.1), "cv"),
        "hypergrad.LinearCriterion, lasso loo": linear_model(penalties.L1(0.1), "loo", prepared=True),
        "hypergrad.LinearCriterion, lasso gcv": linear_model(penalties.L1(0.1), "gcv"),
    }


def _rest() -> dict[str, Kernel]:
    values = np.linspace(-2, 2, 12, dtype=np.float32)

    def shuffle(*, seed: Any) -> Any:
        return sampling.shuffled_epoch(seed, 1000, 32).index, sampling.choose(seed, 100, 10)

    def draw(*, seed: Any) -> Any:
        return randomness.random_words(seed, 10, 4), randomness.random_normals(seed, 10, 4)

    def lose(values: Any, *, seed: Any) -> Any:
        guess = jax.random.normal(seed, values.shape, values.dtype)
        return (
            losses.squared(guess, values),
            losses.huber(guess, values, 1.0),
            losses.laplace(guess, values, 1.0),
            losses.gaussian(guess, values, 1.0),
            losses.binary_cross_entropy_from_logits(guess, (values > 0).astype(values.dtype)),
            losses.softmax_cross_entropy(guess.reshape(3, 4), jnp.arange(3)),
        )

    def penalize(values: Any, *, seed: Any) -> Any:
        w = jax.random.normal(seed, (6, 4), values.dtype)
        kinds = (
            penalties.L1(0.1),
            penalties.L2(0.1),
            penalties.ElasticNet(0.1, 0.5),
            penalties.GroupLasso(0.1),
            penalties.MaxNorm(1.0),
            penalties.SparseGroupLasso(0.1, 0.5),
            penalties.MCP(0.1),
            penalties.SCAD(0.1),
            penalties.Weighted(penalties.L1(0.1), 2.0),
            penalties.positive(penalties.L1(0.1)),
        )
        return [kind.prox(w, 0.5) for kind in kinds]

    return {
        "sampling": Kernel(shuffle),
        "random words and normals": Kernel(draw),
        "losses": Kernel(lose, (values,)),
        "penalties": Kernel(penalize, (values,)),
    }
