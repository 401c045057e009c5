"""Hypergradients: derivatives of fits and trainings in their hyperparameters, what they are worth, and their uses."""

from jaxreg.hypergrad.coordinates import TRANSFORMS as TRANSFORMS
from jaxreg.hypergrad.criterion import LinearCriterion as LinearCriterion
from jaxreg.hypergrad.gauge import Gauge as Gauge
from jaxreg.hypergrad.gauge import Trust as Trust
from jaxreg.hypergrad.gauge import gauge as gauge
from jaxreg.hypergrad.gauge import lyapunov as lyapunov
from jaxreg.hypergrad.gradients import Hypergradient as Hypergradient
from jaxreg.hypergrad.gradients import gradient as gradient
from jaxreg.hypergrad.gradients import hessian_vector_product as hessian_vector_product
from jaxreg.hypergrad.influence import Influence as Influence
from jaxreg.hypergrad.influence import Refits as Refits
from jaxreg.hypergrad.influence import influence as influence
from jaxreg.hypergrad.influence import refit_without as refit_without
from jaxreg.hypergrad.passages import passage_gradient as passage_gradient
from jaxreg.hypergrad.search import grid as grid
from jaxreg.hypergrad.search import random_search as random_search
from jaxreg.hypergrad.search import successive_halving as successive_halving
from jaxreg.hypergrad.smoothing import Smoothed as Smoothed
from jaxreg.hypergrad.smoothing import persistent_gradient as persistent_gradient
from jaxreg.hypergrad.smoothing import smooth_gradient as smooth_gradient
from jaxreg.hypergrad.status import Status as Status
from jaxreg.hypergrad.training import Training as Training
from jaxreg.hypergrad.tuning import tune as tune
