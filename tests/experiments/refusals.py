"""What each study refuses: changed settings, and the argument that the refusal names or words of it."""

import numpy as np


def _each(**fields):
    """Values of each field that are refused by its name."""
    return [({name: value}, name) for name, values in fields.items() for value in values]


_TYPO = ({"dataset": "minst"}, "Did you mean mnist?")
_THREE = ("identity", "relu", "sigmoid")

REFUSED = {
    "hypergradients.implicit_bias": [
        *_each(
            seeds=[1], scales=[(0.01, 0.1), (0.001, 0.01, 0.1, 0.5)], sgd_rate=[0.0], descent_rate=[0.1], epochs=[99.5]
        ),
    ],
    "hypergradients.hypergradient_distribution": [
        *_each(seeds=[3], rates=[(0.01, 1.0), (0.01, 10.0, 0.0)], epochs=[1]),
    ],
    "hypergradients.influence": [
        *_each(seeds=[1], train=[1200], wrong=[0.6], learning_rate=[-0.1]),
    ],
    "hypergradients.tuned_network": [
        *_each(seeds=[1], gradients=[3], epochs=[4.5], learning_rate=[0.0]),
    ],
    "hypergradients.tuned_ridge": [
        *_each(draws=[1], steps=[5], correlation=[1.0], noise=[np.nan]),
    ],
    "landscape.escape_times": [
        *_each(
            seeds=[0],
            temperatures=[(), (0.1, 0.1), (0.1, 0.001), (np.nan,)],
            temperature=[0.0],
            learning_rate=[1.0, -0.1],
            batch_sizes=[(), (0, 1), (1.5,)],
            rate_per_sample=[np.nan],
            horizon=[0.0],
        ),
        ({"batch_sizes": (1, 20)}, "rate_per_sample"),
    ],
    "landscape.flat_or_sharp": [
        *_each(
            seeds=[0],
            learning_rates=[(), (0.2, 0.2), (0.2, 0.4), (0.0,), (np.nan,)],
            temperature=[0.2, 0.0],
            burn_in=[-1.0],
            relaxations=[0.0],
        ),
    ],
    "landscape.noise_law": [
        *_each(
            draws=[0],
            runs=[0],
            steps=[0],
            burn_in=[1.5],
            refit_sizes=[(6, 10, 40), (10, 40, 101), (8, 40)],
            weights=[(0.0,), (3.5, np.inf), (3.5, 3.5)],
            relative_rates=[(0.5, 1.0), (0.0,)],
            tail_rates=[(), (np.nan,)],
            momentum=[1.0],
            regression_sizes=[(0,)],
            sample_sizes=[(20,)],
        ),
        ({"samples": 1}, "sample_sizes"),
    ],
    "landscape.sgd_landscape": [
        *_each(
            learning_rates=[(0.3, -0.1), (np.nan,), ()],
            start=[np.inf],
            batch_size=[6, 101],
            steps=[0],
            seeds=[0],
            balls=[0, 10.5],
            batch_sizes=[(10, 6), (101,), (10.0,), (), (10, 10)],
            initial_weights=[(0.0, np.inf), (np.nan,), (1e6,), (1.0, 1.0), ()],
        ),
        ({"points": 6}, "degree"),
    ],
    "networks.activation": [
        *_each(activations=[("identity", "relu"), (*_THREE, "step"), (*_THREE, "relu")]),
        _TYPO,
    ],
    "networks.architecture": [
        *_each(learning_rates=[(0.3,), (0.1, -0.3)], activation=["step"]),
        *(({"b": hidden}, "hidden") for hidden in ((), (256, 0))),
        _TYPO,
    ],
    "networks.batch_size": [
        *_each(batch_sizes=[(1, 32), (64, 16), (0, 16), (16, 65)], wrong=[1.0], epochs=[0], repeats=[1], dropout=[1.0]),
        *_each(learning_rate=[-0.1]),
    ],
    "networks.dropout": [
        *_each(rates=[(0.0, 0.5), (0.0, 0.25, 0.5, 1.0)], hidden=[(12,)], learning_rate=[-1.0]),
        _TYPO,
    ],
    "networks.early_stopping": [
        *_each(patience=[(1, 3), (2, -1)], min_delta=[(0.1,)], learning_rate=[-1.0], batch_size=[5000], epochs=[0]),
        ({"checked": 5, "seeds": 4}, "checked = 5: must lie from 1 to seeds = 4"),
        _TYPO,
    ],
    "networks.epochs": [
        *_each(epochs=[59], batch_size=[5000], learning_rate=[-0.1]),
        _TYPO,
    ],
    "networks.fitting": [
        *_each(units=[(4, 2), (0, 2)], l2=[(0.0, 1.0), (-1.0, 1.0), ()], share=[1.0]),
        ({"evaluate_every": 4, "epochs": 6}, "evaluate_every"),
        _TYPO,
    ],
    "networks.learning_rate": [
        *_each(learning_rates=[(0.1, -1.0), (0.1,)], dropout=[1.0], batch_size=[5000], activation=["step"], epochs=[0]),
        *_each(curvature=[0.0], steps=[1]),
        _TYPO,
    ],
    "networks.loss_function": [
        *_each(learning_rates=[(0.1, -1.0), (1.0,)], seeds=[2], dropout=[1.0]),
    ],
    "networks.mnist_regularizers": [
        *_each(train=[2000], epsilon=[0.0], patience=[-1], epochs=[0], dropout=[1.0], l1=[-1e-4], rotation=[50.0]),
        *_each(batch_size=[1000]),
        _TYPO,
    ],
    "networks.optimizer": [
        *_each(optimizers=[("sgdd",)], learning_rates=[(0.01, -1.0), (0.01, 0.1)], seeds=[3]),
        ({"optimizers": ("momentum",), "learning_rates": (0.01,), "momentum": 1.0}, "momentum"),
        ({"optimizers": ("adamw",), "learning_rates": (0.001,), "weight_decay": -1.0}, "decoupled_weight_decay"),
    ],
    "networks.pixel_scaling": [
        *_each(learning_rates=[(0.3,), (0.1, -0.3)], hidden=[()], epochs=[0]),
        _TYPO,
    ],
    "networks.seed_variance": [
        *_each(seeds=[2], levels=[1], batch_size=[5000], epochs=[0]),
        _TYPO,
    ],
    "penalties.blur": [
        *_each(sample_size=[0, 50], pairs=[0], decoder_steps=[0], separations=[(-1.0,)], upper_shares=[(1.5,)]),
        ({"dataset": "minst"}, "Did you mean mnist?"),
    ],
    "penalties.cross_entropy": [
        *_each(
            epsilons=[(0.5,), (0.0, 1e-7), (np.nan,), ()],
            probabilities=[(0.5, 1.5, 0.1, 0.2)],
            targets=[(1, 0, 2, 0), (1, 0)],
            scales=[(1.0, 0.0)],
            learning_rate=[np.inf],
            steps=[0],
        ),
        ({"probabilities": (), "targets": ()}, "probabilities"),
    ],
    "penalties.network_from_scratch": [
        *_each(
            learning_rates=[(1.0, 1.0), (0.1, 2.0), (1.0, -2.0)],
            least_weights=[(-1.0,), (0.0, 1.0)],
            steps=[0],
            units=[0],
            record_every=[7],
        ),
    ],
    "penalties.one_picture": [
        *_each(
            noise=[0.0],
            signal=[np.nan],
            learning_rate=[1.5],
            columns=[1],
            points=[4],
            sgd_steps=[1],
            draws=[2],
            fractions=[(0.5, 0.2), (), (0.0, 0.5)],
        ),
    ],
    "penalties.penalty_geometry": [
        *_each(
            seeds=[2],
            dimensions=[(1, 2), (5, 2), ()],
            shares=[(-0.1, 0.5), (0.5, 1.1)],
            alphas=[(-0.4,), (2.5,), (1.0, 0.4)],
            path_seed=[-1],
        ),
    ],
    "penalties.soft_threshold": [
        *_each(
            strengths=[(0.5, -0.5), (-0.5,), (np.nan,), (), (2.0, 0.5)],
            ratios=[(-1.0, 1.0)],
            samples=[3],
            noise=[-1.0],
            threshold=[-1.0],
            ridge_part=[-0.5],
        ),
    ],
    "penalties.sparse_features": [
        *_each(
            seeds=[1],
            samples=[(60, 30), (2, 30), (), (30, 149)],
            words=[3],
            support=[0],
            noise=[-1.0],
            shares=[(0.5, 0.9), (0.5, -0.1)],
            libraries=[("numpy", "numpy"), ("scipy.special", "no_such_package"), ("scipy.ndimage", "no.such.package")],
            corpus_seed=[-1],
        ),
        ({"support": 400, "words": 20}, "support"),
    ],
    "penalties.weight_decay": [
        *_each(
            strengths=[(-1.0, 2.0), (2.0, 1.0), ()],
            strength=[-1.0],
            beyond=[0.9],
            box=[0.0],
            learning_rate=[0.0, np.nan],
            comparison_rates=[(0.1,)],
            end_rates=[(0.1, -1.0)],
            samples=[4],
            end_steps=[0],
        ),
        ({"strengths": (0.0, 61.0), "samples": 20, "columns": 4}, "strengths"),
        ({"batch_size": 21, "samples": 20, "columns": 4}, "batch_size"),
    ],
    "regression.degrees_of_freedom": [
        *_each(correlation=[1.0], noise=[0.0, np.nan], columns=[4], points=[7], strengths=[1]),
    ],
    "regression.double_descent": [
        *_each(
            critical=[3],
            features=[23],
            sizes=[(2, 4, 8, 12, 24), (8, 4, 16), ()],
            factors=[(0.5, 2.0), (-1.0, 1.0), (1.0, np.nan)],
            signal=[0.0],
            noise=[-0.1, np.nan],
            cutoff=[1.5],
        ),
    ],
    "regression.polynomial_regression": [
        *_each(
            degree=[2, 4.0], points=[1], test_points=[0], noise=[-0.1, np.nan], ridge_alpha=[-1.0], lasso_alpha=[np.inf]
        ),
    ],
    "regression.regularization_paths": [
        *_each(
            seeds=[2],
            degree=[2],
            points=[11],
            noise=[0.0],
            folds=[1],
            ridge_alphas=[(0.1, 1.0), (0.1,)],
            lasso_alphas=[(0.1, -1.0), (np.nan, 0.1)],
            norms=[(0.0,), (1.0, 0.5)],
        ),
    ],
}
