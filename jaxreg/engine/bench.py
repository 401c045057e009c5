"""Where the runs of this process are computed: its devices, with the shared data on them."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

from jaxreg.engine.chunks import footprint
from jaxreg.engine.devices import describe_machine, local_devices
from jaxreg.engine.execute import Execution, Work, make_mesh
from jaxreg.engine.forecast import Trial, try_program
from jaxreg.engine.grid import Box
from jaxreg.engine.program import compile_chunk, replicate
from jaxreg.engine.provenance import describe_host
from jaxreg.engine.store import Store
from jaxreg.engine.tracing import Program


class Bench:
    """Devices of this process and what they hold; `distribute.Team` is the same for those of other processes."""

    def __init__(self, args: Sequence[Any], devices: Sequence[jax.Device] | None = None) -> None:
        self.mesh = make_mesh(local_devices(devices))
        self.args = replicate(args, self.mesh)
        self.machine = describe_machine(list(self.mesh.devices.flat))

    def describe(self) -> dict[str, Any]:
        """What provenance says of this process."""
        return describe_host(list(self.mesh.devices.flat))

    def weigh(self, program: Program, box: Box) -> int:
        """Bytes that a call needs on each device, as compiled; JAX keeps what this compiles for the sweep."""
        return footprint(compile_chunk(program, self.args, box, self.mesh))

    def attempt(self, program: Program, box: Box) -> Trial:
        """Compile a program and time a call of it."""
        return try_program(program, self.args, box, self.mesh)

    @contextlib.contextmanager
    def start(
        self,
        work: Work,
        store: Store | None = None,
        arrays: Mapping[str, str] | None = None,
    ) -> Iterator[Execution]:
        """What runs tiles here; `store`, and the names of its arrays by those of outputs, do not matter here."""
        yield Execution(work, self.args, self.mesh)

    def describe_all(self) -> dict[str, Any]:
        """What provenance adds at the end: nothing."""
        return {}
