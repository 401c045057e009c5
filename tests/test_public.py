"""Every public name says what it is: a docstring, its arguments, formula, errors, an example, a place on the site."""

import ast
import doctest
import enum
import importlib
import inspect
import pydoc
import re
import textwrap
import typing

import pytest

from tests.test_docs import tool

PUBLIC = tool("public")
MODULES = PUBLIC.list_modules()
_ELSEWHERE = {"compile_for": "needs a compiler of the extras aot-tpu, aot-cuda; tests/aot runs it"}
_FLAX = {"parent", "name"}  # every linen module has them


def _members(module):
    for name, origin in PUBLIC.list_members(module).items():
        yield name, origin, getattr(importlib.import_module(module), name)


def _describe(value):
    """What tells one thing from another, also where pytest has imported a module twice."""
    return type(value).__qualname__, getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))


def _parameters(value):
    """What a caller may give, by name."""
    if inspect.isclass(value) and issubclass(value, enum.Enum):
        return []  # its members are what it is
    try:
        signature = inspect.signature(value)
    except ValueError:
        return []
    kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in signature.parameters.values() if p.kind not in kinds and p.name not in _FLAX]


@pytest.mark.parametrize("module", MODULES)
def test_the_site_names_what_is_there(module):
    """The table of contents, which is read and not imported, is that of the imported module."""
    loaded = importlib.import_module(module)
    for name, origin, value in _members(module):
        place, _, own = origin.rpartition(".")
        assert _describe(getattr(importlib.import_module(place), own)) == _describe(value), name
    listed = {*PUBLIC.list_members(module), *(m.removeprefix(f"{module}.") for m in MODULES if m != module)}
    assert {name for name in getattr(loaded, "__all__", ()) if not name.startswith("__")} <= listed


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module):
    undocumented = []
    for name, _, value in _members(module):
        if inspect.isclass(value) or inspect.isfunction(inspect.unwrap(value)):
            told = inspect.getdoc(value) or ""
            missing = [p for p in _parameters(value) if not re.search(rf"\b{p}\b", told + _of_class(value))]
            if not told or missing:
                undocumented.append((name, missing))
    assert not undocumented


def _of_class(value):
    """What a class says of its fields one by one, and what those say that it is a kind of."""
    kinds = (
        [kind for kind in inspect.getmro(value) if kind.__module__.startswith("jaxreg")]
        if inspect.isclass(value)
        else []
    )
    return "".join(inspect.getsource(kind) for kind in kinds)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_has_an_example_that_runs(module):
    """The examples are run as doctests of `jaxreg`."""
    parser = doctest.DocTestParser()
    functions = {name: inspect.unwrap(value) for name, _, value in _members(module)}
    functions = {
        n: function for n, function in functions.items() if inspect.isfunction(function) and n not in _ELSEWHERE
    }
    assert [name for name, function in functions.items() if not parser.get_examples(function.__doc__ or "")] == []


def _examples(value):
    """Those of its docstring and, of a class, of its methods."""
    own = [value, *vars(value).values()] if inspect.isclass(value) else [value]
    return [e for part in own for e in doctest.DocTestParser().get_examples(getattr(part, "__doc__", None) or "")]


def test_every_public_class_is_seen_in_an_example():
    """One of its own, or of a function that takes or returns it."""
    everything = {origin: value for module in MODULES for _, origin, value in _members(module)}
    functions = [inspect.unwrap(value) for value in everything.values() if callable(value)]
    seen = {
        word
        for function in functions
        if inspect.isfunction(function) and _examples(function)
        for word in re.findall(r"\w+", str(inspect.signature(function)))
    }
    classes = {
        origin: value
        for origin, value in everything.items()
        if inspect.isclass(value) and value is not typing.Any and not issubclass(value, Exception | Warning)
    }
    assert len(classes) > 80
    assert [name for name, value in classes.items() if not _examples(value) and value.__name__ not in seen] == []


def _refuses(function):
    """Whether its own lines raise, or check an argument."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = (f.id if isinstance(f, ast.Name) else getattr(f, "attr", "") for f in called)
    return any(isinstance(node, ast.Raise) for node in ast.walk(tree)) or any(n.startswith("check") for n in names)


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_names_its_errors_and_shapes(module):
    functions = {name: inspect.unwrap(value) for name, _, value in _members(module)}
    functions = {name: function for name, function in functions.items() if inspect.isfunction(function)}
    silent = [n for n, f in functions.items() if _refuses(f) and "Raises:" not in f.__doc__]
    assert silent == []
    for name, function in functions.items():
        signature = inspect.signature(function)
        given = [p.annotation for p in signature.parameters.values()] + [signature.return_annotation]
        assert inspect.Parameter.empty not in given, name


@pytest.mark.parametrize("module", ["linear", "losses", "objectives", "conventions", "stats", "landscape.theory"])
def test_every_public_function_that_calculates_has_its_formula(module):
    functions = {name: inspect.unwrap(value) for name, _, value in _members(f"jaxreg.{module}")}
    told = {name: function.__doc__ for name, function in functions.items() if inspect.isfunction(function)}
    assert [name for name, text in told.items() if "$" not in text] == []


@pytest.mark.parametrize("module", [module for module in MODULES if module != "jaxreg"])
def test_help_on_a_package_fits_a_screen_or_two(module):
    loaded = importlib.import_module(module)
    if hasattr(loaded, "__path__"):
        assert len(pydoc.plain(pydoc.render_doc(loaded)).splitlines()) < 80
