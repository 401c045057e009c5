"""A valid call of every public function, which is spoilt one argument at a time."""

import ast
import functools
import inspect
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

import jaxreg as jr
from jaxreg import claims, hypergrad, landscape, linear, losses, nets, penalties
from jaxreg.landscape import theory

Call = tuple[Callable[..., Any], dict[str, Any]]

KEY = jax.random.key(0)
X = np.array([[0.0, 1.0], [1.0, -1.0], [2.0, 0.5], [3.0, 2.0], [-1.0, 0.0], [0.5, 3.0]], np.float32)
Y = np.array([0.5, 1.0, -1.0, 2.0, 0.0, 1.5], np.float32)
LABELS = np.array([0, 1, 0, 1, 1, 0])
ALPHAS = np.array([1.0, 0.1], np.float32)
POINTS = {"x": np.arange(6.0), "y": np.array([0.0, 1.0, 0.5, 2.0, 1.0, 3.0]), "degree": 2}
WELL = landscape.DOUBLE_WELL
WALK = {"gradient": landscape.noisy_gradient(WELL, 0.1), "start": 0.5, "learning_rate": 0.1, "steps": 4, "seed": KEY}
WALK |= {"momentum": 0.5, "limit": 1e3}
BOWL = landscape.space.Landscape(lambda w: (w * w).sum(), 2)
ROAM = {"landscape": BOWL, "start": (1.0, 0.5), "optimizer": optax.sgd(0.1), "steps": 4, "seed": KEY}
ROAM |= {"noise": 0.1, "limit": 1e3}
TARGETS = {"predictions": jnp.array([0.5, 1.0]), "targets": jnp.array([0.0, 2.0])}
RUNS = xr.Dataset(
    {
        "x": (("seed", "case"), [[1.0, 2.0], [2.0, 1.0], [4.0, 3.0]]),
        "hit": (("seed", "case"), [[0, 1], [1, 1], [0, 0]]),
    },
    {"case": ["a", "b"], "seed": [0, 1, 2]},
)
OF = {"dataset": RUNS, "name": "x", "dim": "seed"}
TWO = {"first": RUNS, "second": RUNS.isel(case=0), "name": "x", "dim": "seed", "paired": True, "level": 0.9}
DRAWN = {"seed": 0, "strata": (), "method": "percentile", "level": 0.9, "resamples": 20}
EFFECT = {"difference": 0.5, "spread": 1.0, "paired": False, "alternative": "greater", "level": 0.9, "comparisons": 2}
SUMMARY = jr.stats.mean(RUNS, "x", "case")
MEASURED = {"effect": 0.3, "interval": (0.1, 0.5), "n": 20, "unit": "points"}
SAID = {"text": "It helps", "source": "T1", "quantity": lambda _: claims.Estimate(**MEASURED), "bound": claims.Above(0)}
COMPARED = {"name": "x", "axis": "case", "first": "a", "second": "b", "runs": None, "dim": "seed", "level": 0.9}
CLAIM = claims.Claim(**SAID)
VERDICT = CLAIM.judge(RUNS)
ROW = claims.ledger([(CLAIM, VERDICT)])[0]
IMAGES = jnp.linspace(0.0, 1.0, 18).reshape(2, 9)
FIT = {"X": X, "y": Y, "normalize": None, "fit_intercept": True}
SOLVE = {"loss": linear.Squared(), "sample_weight": np.ones(6, np.float32), "offset": np.zeros(6, np.float32)}
LINEAR = {"X": X, "y": Y, "loss": "squared", "penalty": penalties.L2(0.1), "X_validation": X, "y_validation": Y}
LINEAR |= {"normalize": None, "fit_intercept": True}
TRAINING = {"x_train": X, "y_train": LABELS, "x_validation": X, "y_validation": LABELS, "seed": KEY}
TRAINING |= {"objective": "validation_loss", "average": False, "horizon": 1, "segment": 1}
TRAINING |= {"options": {"hidden": (2,), "classes": 2, "epochs": 1, "batch_size": 3}}
PLAYED = [Image.new("RGB", (4, 4)), Image.new("RGB", (4, 4), "white")]
WEIGHTS = nets.scratch.draw_weights(KEY, 3, 4, 1)
XOR = {"weights": WEIGHTS, "x": jnp.ones((4, 3)), "y": jnp.ones((4, 1))}
FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0], "y": [0, 1, 0]})
RULE = nets.EarlyStopping("validation_loss", patience=1)
SWEEP = {"run": lambda data, *, a: {"x": a * data.sum()}, "axes": {"a": [0.1, 0.2]}, "args": (X,), "dims": None}
SEARCH = {"objective": lambda h: h["a"] ** 2, "transforms": {"a": "log"}, "axes": None, "args": (), "store": None}
SEARCH |= {"x64": False, "progress": False}
SWEEP |= {"chunk_size": 1, "devices": None, "store": None, "x64": False, "progress": False}


def _swept() -> dict[str, Any]:
    """A store, and the sweep that filled it."""
    store = Path(tempfile.mkdtemp()) / "swept.zarr"
    jr.sweep(**(SWEEP | {"store": store}))
    return {"store": store} | {name: SWEEP[name] for name in ("run", "axes", "args")}


class Columns:
    """Columns by their names, as HuggingFace's data sets have them."""

    def __init__(self, **columns: list[Any]) -> None:
        self.columns, self.column_names = columns, list(columns)

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp())
    for i in range(4):
        Image.new("L", (2, 2), 60 * i).save(folder / f"{i}.png")
    (folder / "labels.csv").write_text("filename,label\n" + "".join(f"{i}.png,{i % 2}\n" for i in range(4)))
    (folder / "some.idx").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    return folder


def _square(at: Any) -> Any:
    return at["a"] ** 2


def _draw(axes: Any) -> Any:
    return lambda frame: axes.plot([0, 1], [0, frame])


def _animation() -> dict[str, Any]:
    figure = Figure(figsize=(1, 1))
    axes = figure.add_subplot()
    return {"figure": figure, "draw_frame": _draw(axes), "frames": 2, "title": "t", "interval_ms": 100}


def _axes() -> Any:
    return Figure(figsize=(1, 1)).add_subplot()


def _history() -> xr.Dataset:
    return xr.Dataset({"validation_loss": ("epoch", [3.0, 2.0, 2.5])}, {"epoch": [1, 2, 3]})


# The name of each public function, below jaxreg, and how it is called.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "accelerators.compile_for": lambda: {
        "target": "v5e",
        "run": SWEEP["run"],
        "axes": SWEEP["axes"],
        "args": (X,),
        "chunk_size": 1,
        "x64": False,
        "processes": 1,
        "timeout": 60.0,
    },
    "agreement.split_accuracy_variance": lambda: {"correct": np.array([[True, False], [True, True]])},
    "claims.Claim": lambda: SAID,
    "claims.Verdict": lambda: MEASURED | {"bound": claims.Above(0)},
    "claims.find_claim": lambda: {"claims": [CLAIM], "words": "It helps"},
    "claims.judge": lambda: {"claims": [CLAIM], "dataset": RUNS},
    "claims.ledger": lambda: {"judged": [(CLAIM, VERDICT)]},
    "claims.read_bound": lambda: {"row": ROW},
    "claims.reconsider": lambda: {"row": ROW},
    "claims.format_ledger": lambda: {"rows": [ROW]},
    "conventions.from_keras_l1": lambda: {"c": 0.1},
    "conventions.from_keras_l2": lambda: {"c": 0.1},
    "conventions.from_weight_decay": lambda: {"c": 0.1},
    "conventions.from_sklearn_ridge": lambda: {"alpha": 0.1, "n": 10},
    "conventions.from_sklearn_lasso": lambda: {"alpha": 0.1},
    "conventions.from_sklearn_elastic_net": lambda: {"alpha": 0.1, "l1_ratio": 0.5},
    "conventions.from_sklearn_logistic": lambda: {"C": 0.1, "n": 10},
    "conventions.from_glmnet": lambda: {"lambda_": 0.1, "alpha": 0.5, "penalty_factor": np.ones(2), "half": True},
    "conventions.from_skglm": lambda: {"name": "SCAD", "alpha": 0.1, "half": True, "gamma": 3.7},
    "datasets.one_hot": lambda: {"labels": LABELS, "classes": 2},
    "datasets.load_folder": lambda: {
        "csv_path": _folder() / "labels.csv",
        "image_directory": _folder(),
        "validation": 0.5,
        "seed": 0,
        "scale": True,
        "one_hot": False,
        "flatten": True,
    },
    "datasets.read_idx": lambda: {"path": _folder() / "some.idx", "dimensions": 1},
    "datasets.load": lambda: {
        "name": "digits",
        "train": 100,
        "test": 50,
        "scale": True,
        "one_hot": False,
        "flatten": True,
        "directory": None,
    },
    "datasets.split": lambda: {"x": X, "y": LABELS, "share": 0.5, "seed": 0},
    "hypergrad.LinearCriterion": lambda: (
        LINEAR
        | {
            "criterion": "cv",
            "folds": 2,
            "seed": KEY,
            "sample_weight": np.ones(6, np.float32),
            "offset": np.zeros(6, np.float32),
        }
    ),
    "hypergrad.Training": lambda: TRAINING,
    "hypergrad.gauge": lambda: {
        "objective": _square,
        "at": {"a": 0.5},
        "seeds": None,
        "exponents": 1,
        "step": 1e-2,
        "tolerance": 1e-2,
        "mode": "forward",
        "transforms": {"a": "log"},
    },
    "hypergrad.lyapunov": lambda: {
        "training": hypergrad.Training(**TRAINING),
        "at": {"learning_rate": 0.1},
        "count": 1,
    },
    "hypergrad.gradient": lambda: {
        "objective": _square,
        "at": {"a": 0.5},
        "mode": "reverse",
        "transforms": {"a": "log"},
        "bounds": {"a": (0.1, 1.0)},
    },
    "hypergrad.hessian_vector_product": lambda: {"objective": _square, "at": {"a": 0.5}, "vector": {"a": 1.0}},
    "hypergrad.influence": lambda: {
        "objective": hypergrad.LinearCriterion(**LINEAR),
        "sample_weight": np.ones(6, np.float32),
    },
    "hypergrad.refit_without": lambda: {
        "objective": hypergrad.LinearCriterion(**LINEAR),
        "examples": [0, 2],
        "influence": jnp.arange(6.0),
        "sample_weight": np.ones(6, np.float32),
    },
    "hypergrad.passage_gradient": lambda: {
        "gradient": landscape.noisy_gradient(WELL, 1.0),
        "start": -1.0,
        "learning_rate": 0.1,
        "steps": 4,
        "seed": KEY,
        "target": 0.0,
        "side": "right",
        "samples": 2,
    },
    "hypergrad.tune": lambda: (
        SEARCH
        | {
            "init": {"a": 0.5},
            "optimizer": optax.sgd(0.1),
            "steps": 2,
            "restarts": 1,
            "seed": KEY,
            "spread": 1.0,
            "patience": 2,
            "min_delta": 0.0,
            "mode": "forward",
            "bounds": {"a": (0.1, 1.0)},
        }
    ),
    "hypergrad.grid": lambda: {k: v for k, v in SEARCH.items() if k != "transforms"} | {"points": {"a": [0.5, 1.0]}},
    "hypergrad.random_search": lambda: (
        SEARCH
        | {
            "init": {"a": 0.5},
            "bounds": {"a": (0.1, 1.0)},
            "trials": 2,
            "seed": KEY,
        }
    ),
    "hypergrad.successive_halving": lambda: (
        SEARCH
        | {
            "objective": lambda *, budget: lambda h: h["a"] ** 2 / budget,
            "init": {"a": 0.5},
            "bounds": {"a": (0.1, 1.0)},
            "trials": 2,
            "budgets": (1, 2),
            "seed": KEY,
            "keep": 0.5,
        }
    ),
    "hypergrad.smooth_gradient": lambda: {
        "objective": _square,
        "at": {"a": 0.5},
        "seed": KEY,
        "sigma": 0.1,
        "samples": 4,
        "estimator": "evolution",
        "mode": "forward",
        "transforms": {"a": "log"},
    },
    "hypergrad.persistent_gradient": lambda: {
        "training": hypergrad.Training(**TRAINING),
        "at": {"learning_rate": 0.1},
        "seed": KEY,
        "sigma": 0.1,
        "particles": 2,
        "noise": "persistent",
        "transforms": {"learning_rate": "log"},
    },
    "images.gradient_energy": lambda: {"images": IMAGES.reshape(2, 3, 3)},
    "images.peak_signal_to_noise": lambda: {"mean_squared_error": 0.1, "peak": 1.0},
    "landscape.space.Landscape": lambda: {"function": lambda w: (w * w).sum(), "dim": 2, "name": "bowl"},
    "landscape.space.rosenbrock": lambda: {"dim": 3},
    "landscape.space.styblinski_tang": lambda: {"dim": 3},
    "landscape.space.find_critical_points": lambda: {
        "landscape": BOWL,
        "low": -1.0,
        "high": (1.0, 2.0),
        "starts": 4,
        "seed": 0,
    },
    "landscape.space.basin": lambda: {"w": jnp.zeros(2), "landscape": BOWL, "minima": jnp.zeros((1, 2))},
    "landscape.space.fate": lambda: {"w": jnp.zeros(2), "landscape": BOWL, "minima": jnp.zeros((1, 2))},
    "landscape.space.descend": lambda: ROAM | {"record_every": 2},
    "landscape.space.first_passage": lambda: ROAM | {"target": (0.0, 0.0), "radius": 0.1},
    "landscape.space.occupancy": lambda: ROAM | {"low": -1.0, "high": (1.0, 1.0), "bins": 3, "burn_in": 1},
    "landscape.theory.boltzmann_law": lambda: {"landscape": WELL, "temperature": 0.1},
    "landscape.theory.kramers_time": lambda: {"landscape": WELL, "minimum": -1.0, "saddle": 0.0, "temperature": 0.1},
    "landscape.theory.mean_first_passage": lambda: {
        "landscape": WELL,
        "start": -1.0,
        "target": 1.0,
        "temperature": 0.1,
    },
    "landscape.theory.temperature": lambda: {"learning_rate": 0.1, "noise": 1.0, "batch_size": 2},
    "landscape.theory.average_refits": lambda: POINTS | {"batch_size": 4},
    "landscape.theory.refit_law": lambda: {"batch_size": 10, "population": 100, "degree": 6},
    "landscape.theory.typical_refit_error": lambda: POINTS | {"batch_size": 5, "w": np.array([0.5])},
    "landscape.theory.gradient_variance": lambda: {"noise": 1.0, "batch_size": 2, "population": 10},
    "landscape.theory.regression_variance": lambda: {"learning_rate": 0.1, "noise": 1.0, "batch_size": 2},
    "landscape.theory.smooth_polynomial": lambda: {"landscape": WELL, "variance": 0.1},
    "landscape.theory.stability_threshold": lambda: {"batch_size": 2},
    "landscape.theory.stationary_variance": lambda: {
        "learning_rate": 0.1,
        "curvature": 1.0,
        "variance": 1.0,
        "momentum": 0.5,
    },
    "landscape.theory.tail_index": lambda: {"learning_rate": 0.3, "batch_size": 4},
    "landscape.theory.escape_steps": lambda: {
        "landscape": WELL,
        "start": -1.0,
        "target": 1.0,
        "learning_rate": 0.3,
        "noise": 1.0,
        "batch_size": 1,
    },
    "landscape.theory.stationary_law": lambda: {"landscape": WELL, "learning_rate": 0.3, "noise": 1.0, "batch_size": 1},
    "landscape.descend": lambda: WALK | {"record_every": 2},
    "landscape.fate": lambda: {"w": 0.5, "landscape": WELL},
    "landscape.full_gradient": lambda: POINTS,
    "landscape.noisy_gradient": lambda: {"landscape": WELL, "noise": 0.1, "batch_size": 2},
    "landscape.refit_gradient": lambda: POINTS | {"batch_size": 4},
    "landscape.occupancy": lambda: WALK | {"low": -1.0, "high": 1.0, "bins": 3, "burn_in": 1},
    "landscape.estimate_passage": lambda: {
        "steps": np.array([3, 4, 5]),
        "status": np.array([1, 1, 0]),
        "axis": 0,
        "level": 0.9,
    },
    "landscape.first_passage": lambda: WALK | {"target": 0.9, "side": "right"},
    "landscape.Polynomial": lambda: {"coefficients": np.array([1.0, 2.0]), "center": 0.5, "scale": 2.0},
    "landscape.fit_polynomial": lambda: POINTS,
    "landscape.location_gradient": lambda: {"samples": np.array([1.0, 2.0, 4.0]), "batch_size": 2},
    "landscape.regression_gradient": lambda: {"noise": 0.1, "batch_size": 2},
    "linear.polynomial_features": lambda: {
        "x": np.array([0.0, 0.5, 1.0]),
        "degree": 2,
        "basis": "legendre",
        "domain": (0.0, 1.0),
    },
    "linear.standardize": lambda: {"X": X, "scale": "std", "center": True},
    "linear.alpha_max": lambda: FIT | {"l1_ratio": 0.5},
    "linear.elastic_net": lambda: FIT | {"alpha": 0.1, "l1_ratio": 0.5},
    "linear.elastic_net_path": lambda: FIT | {"alphas": ALPHAS, "l1_ratio": 0.5},
    "linear.lasso": lambda: FIT | {"alpha": 0.1},
    "linear.lasso_path": lambda: FIT | {"alphas": ALPHAS},
    "linear.lars_path": lambda: FIT | {"method": "lasso", "max_knots": 8},
    "linear.least_squares": lambda: FIT | {"rcond": 1e-6},
    "linear.decompose_error": lambda: {
        "predict": lambda *, seed: jax.random.normal(seed, (2,)),
        "axes": {"seed": jr.seeds(2)},
        "truth": np.zeros(2),
        "noise": 0.1,
        "dim": "seed",
        "dims": None,
    },
    "linear.solve": lambda: FIT | SOLVE | {"penalty": penalties.L1(0.1)},
    "linear.solve_path": lambda: FIT | SOLVE | {"alphas": ALPHAS, "penalty": penalties.L1(0.1)},
    "linear.solve_alpha_max": lambda: FIT | SOLVE | {"penalty": penalties.L1(0.1)},
    "linear.Huber": lambda: {"delta": 1.0},
    "linear.Multinomial": lambda: {"classes": 3},
    "linear.ridge": lambda: FIT | {"alpha": 0.1},
    "linear.ridge_path": lambda: FIT | {"alphas": ALPHAS},
    "linear.minimum_norm_risk": lambda: {"n": 10, "p": 20, "signal": 1.0, "noise": 0.5},
    "linear.ridge_coefficient_risk": lambda: {
        "X": X,
        "coef": np.ones(2),
        "noise": 0.1,
        "alphas": ALPHAS,
        "normalize": None,
        "fit_intercept": True,
    },
    "linear.ridge_risk": lambda: {
        "X": X,
        "truth": Y,
        "noise": 0.1,
        "alphas": ALPHAS,
        "test": None,
        "normalize": None,
        "fit_intercept": True,
    },
    "linear.choose": lambda: {"criterion": np.array([2.0, 1.0]), "alphas": ALPHAS, "slack": 0.1},
    "linear.cross_validate": lambda: {
        "path": linear.lasso_path,
        "X": X,
        "y": Y,
        "alphas": ALPHAS,
        "folds": 2,
        "seed": KEY,
    },
    "linear.elastic_net_df": lambda: {
        "X": X,
        "coef": np.array([1.0, 0.0], np.float32),
        "alpha": np.float32(0.1),
        "l1_ratio": np.float32(0.5),
        "normalize": None,
        "fit_intercept": True,
    },
    "linear.information_criteria": lambda: {
        "path": linear.ridge_path(X, Y, ALPHAS),
        "X": X,
        "y": Y,
        "df": np.array([1.0, 2.0], np.float32),
        "noise_variance": 0.5,
        "fit_intercept": True,
    },
    "linear.lasso_df": lambda: {"coef": np.array([1.0, 0.0], np.float32)},
    "linear.residual_variance": lambda: {"X": X, "y": Y, "fit_intercept": True},
    "losses.squared": lambda: TARGETS,
    "losses.absolute": lambda: TARGETS,
    "losses.huber": lambda: TARGETS | {"delta": 1.0},
    "losses.gaussian": lambda: TARGETS | {"scale": 1.0},
    "losses.laplace": lambda: TARGETS | {"scale": 1.0},
    "losses.gaussian_mixture": lambda: {
        "logits": jnp.zeros((1, 2)),
        "means": jnp.ones((1, 2)),
        "log_scales": jnp.zeros((1, 2)),
        "targets": jnp.ones(1),
    },
    "losses.binary_cross_entropy": lambda: {
        "probabilities": jnp.array([0.5, 0.9]),
        "targets": jnp.array([0.0, 1.0]),
        "epsilon": 1e-7,
    },
    "losses.binary_cross_entropy_from_logits": lambda: {"logits": jnp.ones(2), "targets": jnp.array([0.0, 1.0])},
    "losses.softmax_cross_entropy": lambda: {"logits": jnp.ones((2, 3)), "labels": jnp.array([0, 2])},
    "losses.softmax_cross_entropy_one_hot": lambda: {"logits": jnp.ones((2, 3)), "targets": jnp.eye(3)[:2]},
    "nets.scratch.draw_weights": lambda: {"seed": KEY, "features": 3, "units": 2, "outputs": 1, "least": 0.0},
    "nets.scratch.predict": lambda: {"weights": WEIGHTS, "x": XOR["x"]},
    "nets.scratch.sum_of_squares": lambda: XOR,
    "nets.scratch.backpropagate": lambda: XOR,
    "nets.scratch.train": lambda: XOR | {"learning_rate": 0.1, "steps": 2, "record_every": 1},
    "nets.stopping.start": lambda: {"rule": RULE, "shape": (2,), "dtype": jnp.float32},
    "nets.stopping.update": lambda: {
        "rule": RULE,
        "state": nets.stopping.start(RULE),
        "value": jnp.float32(1.0),
        "epoch": 1,
    },
    "nets.stopping.apply": lambda: {"history": _history(), "rules": {"one": RULE}, "dim": "epoch"},
    "nets.stopping.check_monitor": lambda: {"rule": RULE, "recorded": ("validation_loss",)},
    "nets.Augmentation": lambda: {
        "shift": 1.0,
        "rotation": 1.0,
        "scale": 0.1,
        "shear": 1.0,
        "flip": 0.5,
        "noise": 0.1,
        "erasing": 0.1,
        "elastic": 1.0,
        "shape": (3, 3),
        "smoothness": 4.0,
    },
    "nets.augment": lambda: {"key": KEY, "images": IMAGES, "augmentation": nets.Augmentation(shift=1.0), "step": 0},
    "nets.keep_mask": lambda: {"key": KEY, "rate": 0.5, "shape": (2, 3), "step": 0},
    "nets.multiplier": lambda: {"kept": jnp.array([True, False]), "rate": 0.5},
    "nets.evaluate": lambda: {
        "predict": lambda w, x: 2 * x,
        "params": jnp.eye(2),
        "x": jnp.asarray(X),
        "y": jnp.asarray(LABELS),
        "block": 4,
        "loss": "cross_entropy",
    },
    "nets.MLP": lambda: {"hidden": (2,), "classes": 2, "activation": "tanh", "initializer": "glorot_uniform"},
    "nets.EarlyStopping": lambda: {
        "monitor": "validation_loss",
        "mode": "min",
        "min_delta": 0.0,
        "patience": 1,
        "baseline": None,
        "start_epoch": 1,
    },
    "nets.train": lambda: {
        "x_train": X,
        "y_train": LABELS,
        "x_test": X,
        "y_test": LABELS,
        "seed": KEY,
        "hidden": (2,),
        "classes": 2,
        "epochs": 1,
        "batch_size": 3,
        "learning_rate": 0.1,
        "momentum": 0.5,
        "optimizer": "momentum",
        "model": None,
        "loss": "cross_entropy",
        "penalties": (penalties.L2(0.1),),
        "l2": 0.1,
        "dropout": 0.1,
        "schedule": "constant",
        "sample_weight": np.ones(6),
        "class_weight": (1.0, 2.0),
        "metrics": ("accuracy",),
        "record": ("test_loss",),
        "record_steps": 1,
        "evaluate_every": 1,
        "stopping": None,
    },
    "nets.fit_whitening": lambda: {"x": X, "epsilon": 0.1, "kind": "zca"},
    "losses.quantile": lambda: TARGETS | {"level": 0.5},
    "objectives.average": lambda: {"losses": jnp.ones(2), "weights": jnp.ones(2)},
    "objectives.build": lambda: {
        "predict": lambda w, x: x @ w,
        "loss": losses.squared,
        "penalties": (penalties.L2(0.1),),
        "masks": None,
    },
    "penalties.kernels_only": lambda: {"params": {"kernel": jnp.ones((2, 2)), "bias": jnp.ones(2)}},
    "penalties.soft_threshold": lambda: {"x": jnp.ones(2), "threshold": 0.5},
    "penalties.L1": lambda: {"alpha": 0.1},
    "penalties.L2": lambda: {"alpha": 0.1},
    "penalties.ElasticNet": lambda: {"alpha": 0.1, "l1_ratio": 0.5},
    "penalties.GroupLasso": lambda: {"alpha": 0.1, "unit_axis": -1, "groups": [[0, 1], [2]]},
    "penalties.SparseGroupLasso": lambda: {"alpha": 0.1, "l1_ratio": 0.5, "unit_axis": -1, "groups": [[0, 1], [2]]},
    "penalties.MCP": lambda: {"alpha": 0.1, "gamma": 3.0},
    "penalties.SCAD": lambda: {"alpha": 0.1, "a": 3.7},
    "penalties.Weighted": lambda: {"penalty": penalties.L1(0.1), "factors": np.ones(2)},
    "penalties.Box": lambda: {"low": 0.0, "high": 1.0, "penalty": penalties.L1(0.1)},
    "penalties.positive": lambda: {"penalty": penalties.L1(0.1)},
    "penalties.MaxNorm": lambda: {"radius": 1.0},
    "plotting.Animation": _animation,
    "plotting.build_player": lambda: {"frames": PLAYED, "title": "t", "interval_ms": 100},
    "plotting.render": lambda: {"animation": jr.plotting.Animation(**_animation())},
    "plotting.save_animation": lambda: {"animation": jr.plotting.Animation(**_animation()), "path_stem": "moving"},
    "plotting.arrange": lambda: {"figure": _axes().figure},
    "plotting.band": lambda: {"axes": _axes(), "x": [0, 1, 2], "summary": SUMMARY, "label": "a", "color": "red"},
    "plotting.bars": lambda: {"axes": _axes(), "x": "seed", "summary": SUMMARY, "across": False},
    "plotting.count_runs": lambda: {"summary": SUMMARY, "unit": "runs"},
    "plotting.describe_band": lambda: {"summary": SUMMARY, "unit": "runs"},
    "plotting.mark_runs": lambda: {"axes": _axes(), "places": np.ones(2), "color": "red", "height": 0.1},
    "plotting.page": lambda: {"mosaic": "ab", "height": 2.5, "width": 6.0},
    "plotting.lines": lambda: {"axes": _axes(), "runs": RUNS, "name": "x", "x": "case", "looks": None},
    "plotting.points": lambda: {"axes": _axes(), "runs": RUNS, "name": "x", "looks": {"a": {}}, "shift": 0.1},
    "plotting.mark": lambda: {"axes": _axes(), "x": 0.1, "y": (0.2,), "text": "T5"},
    "plotting.mean_in_spread": lambda: {"runs": RUNS, "name": "x", "dim": "seed"},
    "plotting.write_out": lambda: {"axes": _axes(), "which": "x"},
    "plotting.draw_contours": lambda: {
        "axes": _axes(),
        "landscape": BOWL,
        "x": (-1, 1),
        "y": (-1, 2),
        "levels": 5,
        "points": 11,
        "ceiling": None,
        "filled": False,
    },
    "plotting.animate_descents": lambda: {
        "landscape": BOWL,
        "paths": np.zeros((2, 3, 2)),
        "x": (-1, 1),
        "y": (-1, 2),
        "title": "Two runs",
        "tail": 1,
        "interval_ms": 100,
    },
    "plotting.implicit_curve": lambda: {
        "axes": _axes(),
        "equation": "x = y",
        "x": (-1.0, 1.0),
        "y": (-1.0, 1.0),
        "points": 5,
    },
    "plotting.trace_curve": lambda: {"equation": "x = y", "x": (-1.0, 1.0), "y": (-1.0, 1.0), "points": 5},
    "plotting.save": lambda: {"figure": Figure(figsize=(1, 1)), "path_stem": "figure"},
    "plotting.style": lambda: {},
    "plotting.curve_from_text": lambda: {"text": "1 2 5"},
    "plotting.parse_equation": lambda: {"text": "x = y"},
    "randomness.split": lambda: {"seed": KEY},
    "sampling.shuffled_epoch": lambda: {"key": KEY, "size": 5, "batch_size": 2, "drop_last": False},
    "sampling.choose": lambda: {"key": KEY, "population": 5, "count": 2},
    "sampling.without_replacement": lambda: {"bits": jax.random.bits(KEY, (3,)), "population": 5, "axis": -1},
    "randomness.random_normals": lambda: {"key": KEY, "steps": 2, "width": 3, "first": 0},
    "randomness.as_normals": lambda: {"words": jnp.arange(3, dtype=jnp.uint32)},
    "randomness.random_words": lambda: {"key": KEY, "steps": 2, "width": 3, "first": 0},
    "randomness.key_schedule": lambda: {"key": KEY},
    "randomness.scramble": lambda: {
        "first": jnp.uint32(1),
        "second": jnp.uint32(2),
        "counter": jnp.arange(3, dtype=jnp.uint32),
    },
    "stats.mean": lambda: OF | {"level": 0.9},
    "stats.median": lambda: OF | {"level": 0.9},
    "stats.quantiles": lambda: OF | {"band": (0.1, 0.9)},
    "stats.proportion": lambda: OF | {"name": "hit", "level": 0.9, "value": 1, "count_diverged": False},
    "stats.paired_difference": lambda: OF | {"axis": "case", "baseline": "a", "level": 0.9},
    "stats.compare": lambda: TWO | {"test": "permutation", "alternative": "greater", "permutations": 8, "seed": 0},
    "stats.equivalence": lambda: TWO | {"margin": (-1.0, 2.0), "pooled": False},
    "stats.bootstrap": lambda: OF | DRAWN | {"statistic": "median"},
    "stats.iqm": lambda: OF | DRAWN,
    "stats.probability_of_improvement": lambda: {k: v for k, v in TWO.items() if k != "paired"} | DRAWN,
    "stats.performance_profile": lambda: OF | DRAWN | {"thresholds": [1.5, 2.5]},
    "stats.adjust": lambda: {"p_values": [0.01, 0.2], "method": "holm", "dim": "comparison", "level": 0.9},
    "stats.adjust_claims": lambda: {"claims": [(CLAIM, VERDICT)], "method": "holm", "level": 0.9},
    "stats.power": lambda: EFFECT | {"n": [4, 8]},
    "stats.seeds_needed": lambda: EFFECT | {"target": 0.7},
    "stats.table": lambda: {"summary": SUMMARY, "style": "latex", "columns": None, "digits": 2},
    "stats.variance_components": lambda: {"dataset": RUNS, "name": "x", "dims": ("seed", "case")},
    "study.Above": lambda: {"limit": 0.0},
    "study.Below": lambda: {"limit": 0.0},
    "study.Inside": lambda: {"low": 0.0, "high": 1.0},
    "study.Estimate": lambda: MEASURED,
    "study.Claim": lambda: SAID,
    "study.estimate": lambda: {"summary": SUMMARY.isel(seed=0), "unit": "points"},
    "study.percentage": lambda: {"summary": SUMMARY.isel(seed=0), "unit": "%"},
    "study.exactly": lambda: {"value": 0.3, "n": 2, "unit": "points"},
    "study.find_claim": lambda: {"claims": [CLAIM], "words": "It helps"},
    "study.judge": lambda: {"claims": [CLAIM], "dataset": RUNS},
    "study.mean": lambda: {"name": "x", "runs": None, "dim": "seed", "unit": "points", "level": 0.9},
    "study.worst": lambda: {"name": "x", "expected": 0.0, "dim": "seed", "unit": "points", "level": 0.9},
    "study.largest": lambda: {"name": "x", "runs": None, "unit": "points"},
    "study.share": lambda: {"name": "x", "runs": None, "dim": "seed", "of": "seeds", "level": 0.9},
    "study.gain": lambda: COMPARED,
    "study.ratio": lambda: COMPARED | {"unit": "times"},
    "study.at": lambda: {"dataset": RUNS, "case": RUNS["case"].values[0]},
    "study.choose": lambda: {"dataset": RUNS, "name": "x", "along": "case", "least": True, "dim": "seed"},
    "study.beside": lambda: {"store": "results/study.zarr", "what": "fates"},
    "study.held_out": lambda: {"dataset": RUNS, "dim": "seed"},
    "cases": lambda: {"bundles": {"a": {"rate": 1.0}, "b": {"rate": 2.0}}},
    "plan": lambda: SWEEP,
    "ragged": lambda: {"name": "knot"},
    "replay": lambda: _swept() | {"a": 0.1},
    "seeds": lambda: {"n": 2, "root": 0, "start": 0},
    "static": lambda: {"values": [1, 2]},
    "sweep": lambda: SWEEP,
    "explore": lambda: {
        "dataset": RUNS.assign(diverged=RUNS["x"] > 3),
        "claims": [CLAIM],
        "dim": "seed",
        "variables": ["x"],
        "title": "Runs",
        "megabytes": 1.0,
    },
    "to_frame": lambda: {"dataset": RUNS.assign(diverged=RUNS["x"] > 3)},
    "use_all_cores": lambda: {},
    "zipped": lambda: {"rate": [0.1, 0.2], "width": jr.static([1, 2])},
}

# What functions return has methods that are public too.
METHODS: dict[str, Callable[[], Call]] = {
    "Dataset.from_arrays": lambda: (
        jr.datasets.Dataset.from_arrays,
        {"x": X, "y": Y, "x_test": X, "y_test": Y, "name": "own"},
    ),
    "Dataset.from_frame": lambda: (
        jr.datasets.Dataset.from_frame,
        {"frame": FRAME, "target": "y", "columns": ["a"], "share": 0.5, "seed": 0, "name": "own"},
    ),
    "Dataset.from_bunch": lambda: (
        jr.datasets.Dataset.from_bunch,
        {"bunch": types.SimpleNamespace(data=X, target=LABELS), "share": 0.5, "seed": 0, "name": "own"},
    ),
    "Dataset.from_huggingface": lambda: (
        jr.datasets.Dataset.from_huggingface,
        {
            "data": Columns(a=[1, 2, 3], y=[0, 1, 0]),
            "target": "y",
            "inputs": "a",
            "share": 0.5,
            "seed": 0,
            "name": "own",
        },
    ),
    "from_keras": lambda: (
        nets.stopping.from_keras,
        {
            "monitor": "val_loss",
            "min_delta": 0.0,
            "patience": 1,
            "mode": "auto",
            "baseline": None,
            "start_from_epoch": 0,
        },
    ),
    "Polynomial.value": lambda: (WELL.value, {"w": 0.5}),
    "Polynomial.gradient": lambda: (WELL.gradient, {"w": 0.5}),
    "Polynomial.curvature": lambda: (WELL.curvature, {"w": 0.5}),
    "Polynomial.basin": lambda: (WELL.basin, {"w": 0.5}),
    "BoltzmannLaw.density": lambda: (theory.boltzmann_law(WELL, 0.1).density, {"w": 0.5}),
    "BoltzmannLaw.probability": lambda: (theory.boltzmann_law(WELL, 0.1).probability, {"low": 0.0, "high": 1.0}),
    "StationaryLaw.density": lambda: (theory.stationary_law(WELL, 0.3, 1.0).density, {"w": 0.5}),
    "StationaryLaw.probability": lambda: (theory.stationary_law(WELL, 0.3, 1.0).probability, {"low": 0.0, "high": 1.0}),
    "NoisyGradient": lambda: (landscape.noisy_gradient(WELL, 0.1), {"w": 0.5, "key": KEY}),
    "RefitGradient": lambda: (landscape.refit_gradient(**POINTS, batch_size=4), {"w": 0.5, "key": KEY}),
    "L1.value": lambda: (penalties.L1(0.1).value, {"params": jnp.ones(2), "mask": None}),
    "GroupLasso.prox": lambda: (penalties.GroupLasso(0.1).prox, {"params": jnp.ones(2), "step": 0.1, "mask": None}),
    "L1.alpha_max": lambda: (penalties.L1(0.1).alpha_max, {"gradient": jnp.ones(2), "mask": None}),
    "Whitening.apply": lambda: (nets.fit_whitening(X, 0.1).apply, {"x": X}),
    "Whitening.invert": lambda: (nets.fit_whitening(X, 0.1).invert, {"x": X}),
}


def contents(module: types.ModuleType) -> list[str]:
    """The public names of a module: a package's table of contents, or what a module defines."""
    path = Path(str(module.__file__))
    if path.name != "__init__.py":
        own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
        return [name for name in own if not name.startswith("_") and callable(getattr(module, name))]
    stub = path.with_suffix(".pyi")
    tree = ast.parse((stub if stub.exists() else path).read_text())
    return [a.asname for node in tree.body if isinstance(node, ast.ImportFrom) for a in node.names if a.asname]


def public(module: types.ModuleType = jr, prefix: str = "") -> Iterator[str]:
    """The names of the public functions, and of the classes that check what they are made of."""
    for name in contents(module):
        value = getattr(module, name)
        if isinstance(value, types.ModuleType):
            yield from public(value, f"{prefix}{name}.")
        elif inspect.isclass(value):
            checks = any("__post_init__" in vars(kind) for kind in value.__mro__) or name == "Polynomial"
            if checks and not inspect.isabstract(value):
                yield prefix + name
        elif inspect.isfunction(value):
            yield prefix + name


@functools.cache
def call_of(name: str) -> Call:
    """The function of that name and the arguments of a valid call."""
    if name in METHODS:
        return METHODS[name]()
    function: Any = jr
    for part in name.split("."):
        function = getattr(function, part)
    return _by_name(function), CALLS[name]()


def _by_name(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with arguments by name, also those that it takes by place only."""
    if inspect.isclass(function):
        return function
    kinds = inspect.signature(function).parameters.values()
    places = [parameter.name for parameter in kinds if parameter.kind is parameter.POSITIONAL_ONLY]
    if not places:
        return function
    return lambda **given: function(
        *[given[name] for name in places], **{k: given[k] for k in given if k not in places}
    )
