"""Bigram features of texts: documents of random words, and the docstrings of libraries that are installed anyway."""

import ast
import importlib.util
import re
import warnings
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxreg.errors import ArgumentError

_WORD = re.compile(r"[a-z]+")
_CODE = re.compile(r"^\s*(?:>>>|\.\.\.).*$", re.MULTILINE)
_NAMES = {"np", "numpy", "scipy"}
_LEAST_WORDS = 60


class Corpus(NamedTuple):
    """Which bigrams each document contains (documents, features), their names, and where each document is from."""

    contains: np.ndarray
    names: tuple[str, ...]
    labels: np.ndarray


def generate_corpus(documents: int, words: int, length: int, seed: int) -> Corpus:
    """Documents of independent words by Zipf's law, P(word of rank r) ∝ 1/r, over all `words`² ordered pairs.

    Labels, which mean nothing here, alternate.

    >>> corpus = generate_corpus(documents=4, words=3, length=50, seed=0)
    >>> corpus.contains.shape, corpus.names[:4], corpus.labels.tolist()
    ((4, 9), ('w1 w1', 'w1 w2', 'w1 w3', 'w2 w1'), [-1.0, 1.0, -1.0, 1.0])
    """
    weight = 1 / np.arange(1, words + 1)
    drawn = np.random.default_rng(seed).choice(words, (documents, length), p=weight / weight.sum())
    contains = np.zeros((documents, words**2), bool)
    contains[np.arange(documents)[:, None], drawn[:, :-1] * words + drawn[:, 1:]] = True
    names = tuple(f"w{first} w{second}" for first in range(1, words + 1) for second in range(1, words + 1))
    return Corpus(contains, names, np.where(np.arange(documents) % 2, 1.0, -1.0))


def read_corpus(libraries: Sequence[str], features: int) -> Corpus:
    """The docstrings of two installed libraries, as many of each, and their most common bigrams.

    Documents are the docstrings of 60 words or more of functions, methods and classes, read from the source files in
    alphabetical order, without example code and without the names NumPy and SciPy, which would give the library away.
    Bigrams that occur in exactly the same documents are one feature, named after the first of them.

    Where the texts have fewer than so many `features`, what is missing never occurs and has no name. Labels are -1 for
    the first library and 1 for the second.
    """
    if len(libraries) != 2 or libraries[0] == libraries[1]:
        raise ArgumentError("libraries", libraries, "must be two different packages", 'Give ("numpy", "scipy")')
    found = [read_docstrings(library) for library in libraries]
    each = min(map(len, found))
    texts = [texts[k * len(texts) // each] for texts in found for k in range(each)]  # evenly over all files
    pairs = [sorted({f"{first} {second}" for first, second in pairwise(words)}) for words in texts]
    counts = Counter(pair for document in pairs for pair in document)
    kept = sorted((pair for pair, count in counts.items() if count > 1), key=lambda pair: (-counts[pair], pair))
    column = {pair: number for number, pair in enumerate(kept)}
    contains = np.zeros((len(texts), len(kept)), bool)
    for row, document in enumerate(pairs):
        contains[row, [column[pair] for pair in document if pair in column]] = True
    _, first = np.unique(np.packbits(contains, axis=0), axis=1, return_index=True)
    distinct = np.sort(first)[:features]
    missing = features - len(distinct)
    names = (*(kept[number] for number in distinct), *[""] * missing)
    return Corpus(np.pad(contains[:, distinct], ((0, 0), (0, missing))), names, np.repeat([-1.0, 1.0], each))


def read_docstrings(library: str) -> list[list[str]]:
    """The words of each docstring of an installed package, read without importing its modules.

    >>> len(read_docstrings("scipy.special")) > 50
    True
    """
    try:
        spec = importlib.util.find_spec(library)
    except ModuleNotFoundError:
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise ArgumentError("libraries", library, "must be an installed package", "Give one that is, such as numpy")
    texts = []
    for path in sorted(Path(spec.submodule_search_locations[0]).rglob("*.py")):
        source = "" if "tests" in path.parts else path.read_text(encoding="utf-8", errors="ignore")
        if '"""' in source:
            texts += [words for words in _read_file(source) if len(words) >= _LEAST_WORDS]
    if not texts:
        raise ArgumentError("libraries", library, "must have docstrings", "Give one that has, such as numpy")
    return texts


def _read_file(source: str) -> list[list[str]]:
    """The words of all docstrings of functions, methods and classes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of other people's escape sequences
        tree = ast.parse(source)
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)]
    texts = [ast.get_docstring(node, clean=False) or "" for node in nodes]
    return [[word for word in _WORD.findall(_CODE.sub("", text).lower()) if word not in _NAMES] for text in texts]


def describe_versions(libraries: Sequence[str]) -> str:
    """What was read, as "numpy 2.3.1, scipy 1.16.0"."""
    return ", ".join(f"{library} {version(library.partition('.')[0])}" for library in libraries)
