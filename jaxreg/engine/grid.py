"""The cells of a sweep as boxes: regions not yet assigned, the chunk box, and the tiles that fill a region."""

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from jaxreg.engine.axes import Axis, Group

TOLERATED_WASTE = 1.1
Region = tuple[tuple[int, ...], ...]
"""Cells: the product of these positions of each axis, which ascend."""


def tighten(part: Sequence[int]) -> Sequence[int]:
    """Positions, which ascend, as a range where they are one after the other.

    >>> tighten((4, 5, 6)), tighten((4, 6))
    (range(4, 7), (4, 6))
    """
    return range(part[0], part[-1] + 1) if part and part[-1] - part[0] == len(part) - 1 else part


@dataclasses.dataclass(frozen=True)
class Tile:
    """One program call: the program's number and the cells' positions along each axis (a product set)."""

    program: int
    positions: Region

    @property
    def cells(self) -> int:
        """How many cells the tile holds."""
        return math.prod(map(len, self.positions))


@dataclasses.dataclass(frozen=True)
class Box:
    """The chunk shape: cells per axis of one program call, and the axis that is split over devices (None: no axis)."""

    lengths: tuple[int, ...]
    split: int | None

    @property
    def members(self) -> int:
        """How many runs one call computes."""
        return math.prod(self.lengths)

    def halved(self) -> "Box | None":
        """A box of half the members, cut along its longest axis; None when it holds a single member already."""
        longest = max(range(len(self.lengths)), key=lambda k: self.lengths[k], default=None)
        if longest is None or self.lengths[longest] == 1:
            return None
        lengths = tuple(-(-n // 2) if k == longest else n for k, n in enumerate(self.lengths))
        return Box(lengths, self.split)

    def padded(self, devices: int) -> tuple[int, ...]:
        """The lengths with the split axis rounded up to a multiple of the number of devices."""
        return tuple(-(-n // devices) * devices if k == self.split else n for k, n in enumerate(self.lengths))


@dataclasses.dataclass(frozen=True)
class Assignment:
    """A region and the chunk shape that it is computed with."""

    region: Region
    box: Box


def subtract(region: Region, other: Region) -> Iterator[Region]:
    """The cells of `region` outside `other`, as disjoint regions: new positions of one axis at a time.

    >>> list(subtract(((0, 1, 2), (0, 1)), ((0, 1), (0,))))
    [((2,), (0, 1)), ((0, 1), (1,))]
    """
    common: list[tuple[int, ...]] = []
    for k, (mine, theirs) in enumerate(zip(region, other, strict=True)):
        if mine == theirs:  # most often, and told faster than by looking up one by one
            common.append(mine)
            continue
        held = set(theirs)
        outside = tuple(i for i in mine if i not in held)
        if outside:
            yield (*common, outside, *region[k + 1 :])
        inside = tuple(i for i in mine if i in held)
        if not inside:
            return
        common.append(inside)


def restrict(region: Region, groups: Sequence[Group]) -> list[Region]:
    """The cells of `region` that belong to `groups`, one of each axis: one region, or none."""
    held = tuple(_within(part, tuple(group.positions.tolist())) for part, group in zip(region, groups, strict=True))
    return [held] if all(map(len, held)) else []


def _within(part: tuple[int, ...], group: tuple[int, ...]) -> tuple[int, ...]:
    """What of `part` is in `group`: all of it, most often, which is compared faster than looked up one by one."""
    if part == group:
        return part
    ours = set(group)
    return tuple(i for i in part if i in ours)


def unassigned(region: Region, assigned: Sequence[Region]) -> list[Region]:
    """The cells of `region` that no region of `assigned` holds."""
    rest = [region]
    for other in assigned:
        rest = [piece for part in rest for piece in subtract(part, other)]
    return rest


def tile_region(region: Region, axes: Sequence[Axis], box: Box) -> Iterator[Tile]:
    """The tiles of `region`, program by program, each at most as large as `box`; the same for the same arguments."""
    for number, groups in enumerate(itertools.product(*(axis.groups for axis in axes))):
        for held in restrict(region, groups):
            yield from cut_tile(Tile(number, held), box)


@dataclasses.dataclass(frozen=True)
class Rest:
    """The tiles of `region` that are not done, made anew whenever one goes through them: memory holds none of them."""

    region: Region
    axes: Sequence[Axis]
    box: Box
    is_done: Callable[[Region], bool]

    def __iter__(self) -> Iterator[Tile]:
        """Tile by tile."""
        return (tile for tile in tile_region(self.region, self.axes, self.box) if not self.is_done(tile.positions))


class Waiting:
    """Tiles in a queue, of which only those are in memory that were put back."""

    def __init__(self, tiles: Iterable[Tile]) -> None:
        self._front, self._rest = collections.deque[Tile](), iter(tiles)

    def __bool__(self) -> bool:
        """Whether there is one."""
        if not self._front:
            self._front.extend(itertools.islice(self._rest, 1))
        return bool(self._front)

    @property
    def first(self) -> Tile:
        """The next tile, which stays."""
        if not self:
            raise IndexError("no tile is left")
        return self._front[0]

    def pop(self) -> Tile:
        """The next tile, which goes."""
        tile = self.first
        self._front.popleft()
        return tile

    def put_back(self, tiles: Sequence[Tile]) -> None:
        """Let these be the next ones, in this order."""
        self._front.extendleft(reversed(tiles))


def cut_tile(tile: Tile, box: Box) -> Iterator[Tile]:
    """The tile in pieces at most as large as `box`."""
    cuts = [
        [part[i : i + length] for i in range(0, len(part), length)]
        for part, length in zip(tile.positions, box.lengths, strict=True)
    ]
    for positions in itertools.product(*cuts):
        yield Tile(tile.program, positions)


def choose_box(axes: Sequence[Axis], members: int, devices: int) -> Box:
    """The chunk shape of about `members` runs: whole other axes first, then seeds, with little padding.

    Filling the other axes first lets one call share what depends on the seed alone. For the same reason the split
    axis is that of the seeds, unless another one saves a good part of the padding.
    """
    lengths = [min(len(group.positions) for group in axis.groups) for axis in axes]
    order = sorted(range(len(axes)), key=lambda k: axes[k].kind == "seeds")
    candidates = []
    splits: list[int | None] = [k for k in reversed(order) if lengths[k] > 1]
    for split in splits or [None]:
        box = [1] * len(axes)
        remaining = members
        if split is not None:
            box[split] = min(devices, lengths[split])
            remaining = max(1, members // box[split])
        for k in order:
            if k != split:
                box[k] = _even_part(lengths[k], remaining)
                remaining //= box[k]
        if split is not None:
            most = members // max(1, math.prod(box) // box[split])
            per_device = _even_part(-(-lengths[split] // devices), most // devices)
            box[split] = min(per_device * devices, lengths[split])
        chosen = Box(tuple(box), split)
        padded = chosen.padded(devices)
        waste = math.prod(-(-n // b) * p for n, b, p in zip(lengths, box, padded, strict=True)) / math.prod(lengths)
        candidates.append((waste, chosen))
    least = min(waste for waste, _ in candidates)
    return next(box for waste, box in candidates if waste <= TOLERATED_WASTE * least)


def _even_part(length: int, most: int) -> int:
    """The smallest part that cuts `length` into as few parts as parts of at most `most` would."""
    parts = -(-length // max(1, min(length, most)))
    return -(-length // parts)
