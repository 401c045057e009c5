"""What a task costs: `python tests/engine/overhead.py [REPEATS]`, with the extra `distributed`.

200 tiles of 50 trivial runs, in one process and by one worker of dask: with a task for each tile, and with tiles
grouped into tasks, as is usual. Beside them 200 empty tasks of dask. Each in turn, then again; the shortest of each.
"""

import sys
import time
from collections.abc import Callable

import dask.distributed
import jax

import jaxreg as jr
from jaxreg.engine.distribute import _Pace

TILES, RUNS = 200, 50
AXES = {"seed": jr.seeds(TILES * RUNS)}


def draw(*, seed):
    """One number."""
    return {"x": jax.random.uniform(seed)}


def nothing(number: int) -> int:
    """An empty task; the number tells it from others, which dask would not do again."""
    return number


def sweep(client: dask.distributed.Client | None = None) -> None:
    """The tiles, here or by a worker."""
    executor = None if client is None else client.get_executor()
    jr.sweep(draw, AXES, chunk_size=RUNS, progress=False, executor=executor)


def sweep_singly(client: dask.distributed.Client) -> None:
    """A task for each tile."""
    learn = _Pace.learn
    _Pace.learn = lambda self, seconds, tiles: None  # type: ignore[method-assign]
    try:
        sweep(client)
    finally:
        _Pace.learn = learn  # type: ignore[method-assign]


def send_nothing(client: dask.distributed.Client) -> None:
    """As many empty tasks, as many under way as the engine has."""
    executor, begun, sent = client.get_executor(pure=False), 0, []
    while begun < TILES or sent:
        while begun < TILES and len(sent) < 16:
            sent.append(executor.submit(nothing, begun))
            begun += 1
        sent.pop(0).result()


def clock(action: Callable[..., None], *given: object) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    action(*given)
    return time.perf_counter() - began


def main(repeats: int) -> None:
    """Measure and print."""
    with (
        dask.distributed.LocalCluster(1, threads_per_worker=1, dashboard_address=None) as cluster,
        dask.distributed.Client(cluster) as client,
    ):
        ways = {
            "here": (sweep,),
            "empty": (send_nothing, client),
            "singly": (sweep_singly, client),
            "grouped": (sweep, client),
        }
        found = [{name: clock(*way) for name, way in ways.items()} for _ in range(repeats + 1)][
            1:
        ]  # the first compiles
    best = {name: min(one[name] for one in found) for name in ways}
    print(
        f"{TILES} tiles: {best['here']:.2f} s here; {TILES} empty tasks {best['empty']:.2f} s; a task for each tile"
        f" {best['singly']:.2f} s, {(best['singly'] - best['empty']) / TILES * 1e3:.1f} ms a task beyond dask's own;"
        f" grouped {best['grouped']:.2f} s"
    )


if __name__ == "__main__":
    main(int((sys.argv[1:] or ["3"])[0]))
