"""What each study refuses: changed settings, and the argument that the refusal names or words of it."""

import numpy as np


def _each(**fields):
    """Values of each field that are refused by its name."""
    return [({name: value}, name) for name, values in fields.items() for value in values]


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
        ({"activations": ("identity", "relu")}, "must hold sigmoid"),
        ({"activations": ("identity", "relu", "sigmoid", "step")}, "activations = 'step'"),
        ({"activations": ("identity", "relu", "sigmoid", "relu")}, "must differ"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
    ],
    "networks.architecture": [
        ({"learning_rates": (0.3,)}, "must hold 0.1"),
        ({"learning_rates": (0.1, -0.3)}, "learning_rates = -0.3"),
        ({"b": ()}, "hidden = (): must have a layer"),
        ({"c": (256, 0)}, "hidden = 0"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"activation": "step"}, "activation = 'step'"),
    ],
    "networks.batch_size": [
        ({"batch_sizes": (1, 32)}, "must increase and hold the tutorial's 16 and 64"),
        ({"batch_sizes": (64, 16)}, "batch_sizes"),
        ({"batch_sizes": (0, 16)}, "batch_sizes = 0"),
        ({"batch_sizes": (16, 65)}, "batch_sizes = 65: must be an integer from 1 to 64"),
        ({"wrong": 1.0}, "wrong = 1.0"),
        ({"epochs": 0}, "epochs = 0"),
        ({"learning_rate": -0.1}, "learning_rate = -0.1"),
        ({"repeats": 1}, "repeats = 1"),
        ({"dropout": 1.0}, "dropout = 1.0"),
    ],
    "networks.dropout": [
        ({"rates": (0.0, 0.5)}, "must hold 0.25"),
        ({"rates": (0.0, 0.25, 0.5, 1.0)}, "rates = 1.0"),
        ({"hidden": (12,)}, "hidden = (12,): must have two layers or more"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0"),
    ],
    "networks.early_stopping": [
        ({"patience": (1, 3)}, "patience = (1, 3): must hold 2"),
        ({"min_delta": (0.1,)}, "min_delta = (0.1,): must hold 0.0"),
        ({"patience": (2, -1)}, "patience = -1: must be an integer from 0 on"),
        ({"checked": 5, "seeds": 4}, "checked = 5: must lie from 1 to seeds = 4"),
        ({"learning_rate": -1.0}, "learning_rate = -1.0"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"batch_size": 5000}, "batch_size = 5000: must be an integer from 1 to 907"),
        ({"epochs": 0}, "epochs = 0"),
    ],
    "networks.epochs": [
        ({"epochs": 59}, "epochs = 59: must be whole and lie in [60, 100000]"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"batch_size": 5000}, "batch_size = 5000: must be an integer from 1 to 1297"),
        ({"learning_rate": -0.1}, "learning_rate = -0.1"),
    ],
    "networks.fitting": [
        ({"units": (4, 2)}, "units = (4, 2): must be in increasing order"),
        ({"units": (0, 2)}, "units = 0: must be an integer from 1 on"),
        ({"l2": (0.0, 1.0)}, "l2 = 0.0: must be positive"),
        ({"l2": (-1.0, 1.0)}, "l2 = -1.0"),
        ({"l2": ()}, "l2 = ()"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"share": 1.0}, "share = 1.0"),
        ({"evaluate_every": 4, "epochs": 6}, "evaluate_every = 4: must divide the 6 epochs"),
    ],
    "networks.learning_rate": [
        ({"learning_rates": (0.1, -1.0)}, "learning_rates = -1.0"),
        ({"dropout": 1.0}, "dropout = 1.0"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"batch_size": 5000}, "batch_size = 5000: must be an integer from 1 to 1297"),
        ({"activation": "step"}, "activation = 'step'"),
        ({"epochs": 0}, "epochs = 0"),
        ({"curvature": 0.0}, "curvature = 0.0: must be positive"),
        ({"steps": 1}, "steps = 1"),
    ],
    "networks.loss_function": [
        ({"learning_rates": (0.1, -1.0)}, "learning_rates = -1.0"),
        ({"learning_rates": (1.0,)}, "must hold 0.1"),
        ({"seeds": 2}, "seeds = 2"),
        ({"dropout": 1.0}, "dropout = 1.0"),
    ],
    "networks.mnist_regularizers": [
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"train": 2000}, "train = 2000: must be an integer from 1 to 1297"),
        ({"epsilon": 0.0}, "epsilon = 0.0: must be positive"),
        ({"patience": -1}, "patience = -1"),
        ({"epochs": 0}, "epochs = 0: must be an integer from 1"),
        ({"dropout": 1.0}, "dropout = 1.0: must lie in [0, 1)"),
        ({"l1": -1e-4}, "l1 = -0.0001"),
        ({"rotation": 50.0}, "rotation = 50.0"),
        ({"batch_size": 1000}, "batch_size = 1000: must be an integer from 1 to 907"),
    ],
    "networks.optimizer": [
        ({"optimizers": ("sgdd",)}, "optimizers = 'sgdd': must be one of adagrad, adam"),
        ({"learning_rates": (0.01, -1.0)}, "learning_rates = -1.0"),
        ({"learning_rates": (0.01, 0.1)}, "must hold the defaults 0.001, 0.01"),
        ({"seeds": 3}, "seeds = 3"),
        ({"optimizers": ("momentum",), "learning_rates": (0.01,), "momentum": 1.0}, "momentum = 1.0"),
        ({"optimizers": ("adamw",), "learning_rates": (0.001,), "weight_decay": -1.0}, "decoupled_weight_decay = -1.0"),
    ],
    "networks.pixel_scaling": [
        ({"learning_rates": (0.3,)}, "must hold 0.1"),
        ({"learning_rates": (0.1, -0.3)}, "learning_rates = -0.3"),
        ({"hidden": ()}, "hidden = (): must have a layer"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"epochs": 0}, "epochs = 0"),
    ],
    "networks.seed_variance": [
        ({"seeds": 2}, "seeds = 2"),
        ({"levels": 1}, "levels = 1"),
        ({"dataset": "minst"}, "Did you mean mnist?"),
        ({"batch_size": 5000}, "batch_size = 5000: must be an integer from 1 to 1297"),
        ({"epochs": 0}, "epochs = 0"),
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
