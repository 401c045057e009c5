"""What each study refuses beyond the domains in the types of its settings: changes, and the argument or words named."""

import numpy as np


def _each(**fields):
    """Values of each field that are refused by its name."""
    return [({name: value}, name) for name, values in fields.items() for value in values]


_TYPO = ({"dataset": "minst"}, "Did you mean mnist?")
_THREE = ("identity", "relu", "sigmoid")
_SMALL = {"samples": 20, "columns": 4}

REFUSED = {
    "escape_times": [
        *_each(learning_rate=[1.0, -0.1], rate_per_sample=[np.nan]),
        ({"batch_sizes": (1, 20)}, "rate_per_sample"),
    ],
    "noise_law": [
        *_each(refit_sizes=[(6, 10, 40), (10, 40, 101)], sample_sizes=[(20,)]),
        ({"samples": 1}, "sample_sizes"),
    ],
    "sgd_landscape": [
        *_each(batch_size=[6, 101], batch_sizes=[(10, 6), (101,), (10.0,)]),
        ({"points": 6}, "degree"),
    ],
    "activation": [*_each(activations=[(*_THREE, "step")]), _TYPO],
    "architecture": [*_each(activation=["step"]), *(({"b": hidden}, "hidden") for hidden in ((), (256, 0))), _TYPO],
    "batch_size": _each(batch_sizes=[(1, 32), (64, 16), (0, 16), (16, 65)], epochs=[0], dropout=[1.0]),
    "dropout": [*_each(hidden=[(12,)]), _TYPO],
    "early_stopping": [
        *_each(patience=[(2, -1)], batch_size=[5000], epochs=[0]),
        _TYPO,
    ],
    "epochs": [*_each(batch_size=[5000]), _TYPO],
    "fitting": [
        *_each(share=[1.0]),
        ({"evaluate_every": 4, "epochs": 6}, "evaluate_every"),
        _TYPO,
    ],
    "learning_rate": [*_each(dropout=[1.0], batch_size=[5000], activation=["step"], epochs=[0]), _TYPO],
    "loss_function": _each(dropout=[1.0]),
    "mnist_regularizers": [
        *_each(train=[2000], epsilon=[0.0], patience=[-1], epochs=[0], dropout=[1.0], l1=[-1e-4], rotation=[50.0]),
        *_each(batch_size=[1000]),
        _TYPO,
    ],
    "optimizer": [
        *_each(optimizers=[("sgdd",)], learning_rates=[(0.01, 0.1)]),
        ({"optimizers": ("momentum",), "learning_rates": (0.01,), "momentum": 1.0}, "momentum"),
        ({"optimizers": ("adamw",), "learning_rates": (0.001,), "weight_decay": -1.0}, "decoupled_weight_decay"),
    ],
    "pixel_scaling": [*_each(hidden=[()], epochs=[0]), _TYPO],
    "seed_variance": [*_each(batch_size=[5000], epochs=[0]), _TYPO],
    "blur": [*_each(sample_size=[50]), _TYPO],
    "cross_entropy": [
        *_each(targets=[(1, 0, 2, 0), (1, 0)]),
        ({"probabilities": (), "targets": ()}, "probabilities"),
    ],
    "network_from_scratch": _each(steps=[0], record_every=[7]),
    "one_picture": _each(points=[4]),
    "sparse_features": [
        *_each(samples=[(30, 149)]),
        *_each(libraries=[("numpy", "numpy"), ("scipy.special", "no_such_package"), ("scipy.ndimage", "no.such.one")]),
        ({"support": 400, "words": 20}, "support"),
    ],
    "weight_decay": [
        *_each(comparison_rates=[(0.1,)], samples=[4]),
        (_SMALL | {"strengths": (0.0, 61.0)}, "strengths"),
        (_SMALL | {"batch_size": 21}, "batch_size"),
    ],
    "degrees_of_freedom": _each(columns=[4], points=[7]),
    "double_descent": _each(features=[23], sizes=[(2, 4, 8, 12, 24)]),
    "regularization_paths": _each(points=[11], folds=[1]),
}
