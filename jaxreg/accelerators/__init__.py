"""Programs compiled for an accelerator that is not there: whether they compile, what memory and kernels they take."""

from jaxreg.accelerators.compiling import Compilation as Compilation
from jaxreg.accelerators.compiling import compile_for as compile_for
from jaxreg.accelerators.report import CompiledProgram as CompiledProgram
from jaxreg.accelerators.targets import TARGETS as TARGETS
from jaxreg.accelerators.targets import Target as Target
