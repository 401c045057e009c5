"""Boxes, tiles and regions: every cell exactly once, nothing else."""

import itertools
import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxreg.engine.axes import Axis, Group
from jaxreg.engine.grid import Box, Rest, Tile, Waiting, choose_box, cut_tile, subtract, tile_region, unassigned

positions = st.lists(st.integers(0, 6), min_size=1, max_size=5, unique=True).map(lambda p: tuple(sorted(p)))
regions = st.tuples(positions, positions)


def cells(region):
    return set(itertools.product(*region))


def make_axis(name, length, kind="numbers", cut=None):
    parts = [np.arange(length)] if cut is None else [np.arange(cut), np.arange(cut, length)]
    return Axis(name, kind, np.arange(length), {}, tuple(Group(part, (), {}) for part in parts))


@given(regions, regions)
def test_subtraction_is_exact_and_disjoint(region, other):
    pieces = list(subtract(region, other))
    found = [cell for piece in pieces for cell in cells(piece)]
    assert len(found) == len(set(found))
    assert set(found) == cells(region) - cells(other)


@given(st.lists(regions, min_size=1, max_size=4))
def test_growing_assigns_every_cell_once(requests):
    assigned = []
    for request in requests:
        assigned += unassigned(request, assigned)
    found = [cell for region in assigned for cell in cells(region)]
    assert len(found) == len(set(found))
    assert set(found) == set().union(*map(cells, requests))


@settings(max_examples=200)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(2, 5), st.integers(1, 300), st.integers(1, 4))
def test_tiles_cover_every_cell_once_within_the_box(seeds, rates, sizes, members, devices):
    axes = [make_axis("seed", seeds, "seeds"), make_axis("rate", rates), make_axis("size", sizes, "static", cut=1)]
    box = choose_box(axes, members, devices)
    tiles = list(tile_region(tuple(tuple(range(n)) for n in (seeds, rates, sizes)), axes, box))
    found = [cell for tile in tiles for cell in itertools.product(*tile.positions)]
    assert len(found) == len(set(found)) == seeds * rates * sizes
    assert all(len(part) <= n for tile in tiles for part, n in zip(tile.positions, box.lengths, strict=True))
    assert np.prod(box.padded(devices)) <= max(members, 1) + devices * np.prod(box.lengths)
    if seeds * rates > 1:
        assert box.padded(devices)[box.split] % devices == 0


def test_the_box_fills_other_axes_before_seeds_and_wastes_little():
    axes = [make_axis("seed", 10_000, "seeds"), make_axis("rate", 20)]
    assert choose_box(axes, 4000, 2).lengths == (200, 20)
    assert choose_box(axes, 8, 2).lengths in ((2, 4), (2, 3))
    assert choose_box([make_axis("seed", 12_500, "seeds"), make_axis("rate", 16)], 1024, 2) == Box((64, 16), 0)
    assert choose_box([make_axis("rate", 3)], 100, 2) == Box((3,), 0)
    assert choose_box([make_axis("seed", 1, "seeds")], 100, 2) == Box((1,), None)


def test_halving_ends_at_one():
    box, seen = Box((5, 3), 0), []
    while box is not None:
        seen.append(box.members)
        box = box.halved()
    assert seen == [15, 9, 6, 4, 2, 1]
    pieces = list(cut_tile(Tile(0, ((0, 1, 2, 3, 4), (7, 8, 9))), Box((3, 2), 0)))
    assert sum(piece.cells for piece in pieces) == 15


def test_tiles_that_wait_take_no_memory_and_those_put_back_come_first():
    axes = [make_axis("a", 400), make_axis("b", 400)]
    region, done = (tuple(range(400)),) * 2, ((0, 1, 2, 3, 4), tuple(range(10)))
    rest = Rest(region, axes, Box((5, 10), None), lambda positions: positions == done)
    assert sum(1 for _ in rest) == 3_199
    assert next(iter(rest)).positions == (done[0], tuple(range(10, 20)))
    tracemalloc.start()
    waiting, seen = Waiting(rest), 0
    while waiting:
        tile = waiting.pop()
        waiting.put_back([tile, tile])
        assert waiting.first is waiting.pop() is waiting.pop() is tile
        seen += 1
    assert seen == 3_199
    assert tracemalloc.get_traced_memory()[1] < 100_000  # a list of them: 0.5 MB
    tracemalloc.stop()
