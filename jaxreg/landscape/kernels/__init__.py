"""Populations of descents as one Pallas kernel: the step of one run, number by number, for a tile of runs at a time."""

from jaxreg.landscape.kernels.population import KERNELS as KERNELS
from jaxreg.landscape.kernels.population import Kernel as Kernel
from jaxreg.landscape.kernels.population import follow as follow
