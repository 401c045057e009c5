"""Polynomial landscapes, gradients on them, and stochastic gradient descent with its fates."""

from jaxreg.landscape.descent import FATES as FATES
from jaxreg.landscape.descent import Descent as Descent
from jaxreg.landscape.descent import descend as descend
from jaxreg.landscape.descent import fate as fate
from jaxreg.landscape.gradients import FullGradient as FullGradient
from jaxreg.landscape.gradients import Gradient as Gradient
from jaxreg.landscape.gradients import RefitGradient as RefitGradient
from jaxreg.landscape.gradients import full_gradient as full_gradient
from jaxreg.landscape.gradients import refit_gradient as refit_gradient
from jaxreg.landscape.polynomial import T2_LANDSCAPE as T2_LANDSCAPE
from jaxreg.landscape.polynomial import T2_POINTS as T2_POINTS
from jaxreg.landscape.polynomial import Polynomial as Polynomial
from jaxreg.landscape.polynomial import fit_polynomial as fit_polynomial
