"""What compiling one program for a chip came to, as plain values."""

import dataclasses
from typing import Any, Literal

Outcome = Literal["compiled", "too large", "refused", "aborted", "timed out"]


@dataclasses.dataclass(frozen=True)
class CompiledProgram:
    """One program compiled for a chip, or why it was not.

    Attributes:
        label: the static values that it was compiled for.
        outcome: "compiled"; "too large": it needs more memory than the chip has; "refused": by the compiler, with an
            error; "aborted": the compiler ended its process; "timed out".
        message: what the compiler said, "" where it compiled.
        compile_seconds: what compiling took here.
        argument_bytes: of its arguments.
        output_bytes: of its results.
        temporary_bytes: of what it keeps in between, at its peak.
        operations: floating point operations of a call where the compiler tells (a TPU's), loops counted once.
        bytes_accessed: bytes moved in a call where the compiler tells, loops counted once.
        kernels: launched by one call, loops multiplied out.
        kernels_per_step: launched by one turn of the loop that launches most of them; 0 without a loop.
        steps: turns of that loop in a call.

    >>> print(CompiledProgram("width 8", "compiled", argument_bytes=2**20, kernels=3, compile_seconds=0.5))
    width 8: fits: 1.0 + 0.0 + 0.0 MiB of arguments, results, temporaries; 3 kernels a call; 0.5 s to compile
    """

    label: str
    outcome: Outcome
    message: str = ""
    compile_seconds: float = 0.0
    argument_bytes: int = 0
    output_bytes: int = 0
    temporary_bytes: int = 0
    operations: float | None = None
    bytes_accessed: float | None = None
    kernels: int = 0
    kernels_per_step: int = 0
    steps: int = 0

    @property
    def total_bytes(self) -> int:
        """Arguments, results and temporaries: what a call needs."""
        return self.argument_bytes + self.output_bytes + self.temporary_bytes

    @property
    def fits(self) -> bool:
        """Whether it compiled and the chip has the memory for it."""
        return self.outcome == "compiled"

    def __str__(self) -> str:
        """One line."""
        if self.total_bytes == 0 and not self.fits:
            return f"{self.label}: {self.outcome}: {self.message.strip()[:300]}"
        memory = f"{self.argument_bytes / 2**20:,.1f} + {self.output_bytes / 2**20:,.1f} + "
        loop = f", {self.kernels_per_step:,} in each of {self.steps:,} steps" if self.steps else ""
        return (
            f"{self.label}: {'fits' if self.fits else 'does not fit'}: {memory}{self.temporary_bytes / 2**20:,.1f} MiB"
            f" of arguments, results, temporaries; {self.kernels:,} kernels a call{loop};"
            f" {self.compile_seconds:.1f} s to compile"
        )


def to_json(program: CompiledProgram) -> dict[str, Any]:
    """Its fields, and whether it fits, ready for JSON."""
    return dataclasses.asdict(program) | {"fits": program.fits}
