"""What an experiment returns is what its figure draws: the made-up dataset of the figure's test has the same form."""

from importlib import import_module


def assert_form(result, study):
    """Every variable of the made-up dataset is in the result, over the same dimensions.

    Args:
        result: of the experiment.
        study: as in "regression.double_descent".
    """
    subject, _, name = study.partition(".")
    made = import_module(f"tests.figures.{subject}.test_{name}").dataset.__wrapped__()
    found = {str(key): set(result[key].dims) if key in result else None for key in made.variables}
    assert found == {str(key): set(made[key].dims) for key in made.variables}
