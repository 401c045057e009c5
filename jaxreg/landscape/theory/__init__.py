"""What SGD in one dimension must do, from closed forms and quadrature; float64 on the host, nothing traced."""

from jaxreg.landscape.theory.escape import BoltzmannLaw as BoltzmannLaw
from jaxreg.landscape.theory.escape import boltzmann_law as boltzmann_law
from jaxreg.landscape.theory.escape import kramers_time as kramers_time
from jaxreg.landscape.theory.escape import mean_first_passage as mean_first_passage
from jaxreg.landscape.theory.escape import temperature as temperature
from jaxreg.landscape.theory.refit import RefitAverages as RefitAverages
from jaxreg.landscape.theory.refit import average_refits as average_refits
from jaxreg.landscape.theory.refit import refit_law as refit_law
from jaxreg.landscape.theory.refit import typical_refit_error as typical_refit_error
from jaxreg.landscape.theory.stationary import gradient_variance as gradient_variance
from jaxreg.landscape.theory.stationary import regression_variance as regression_variance
from jaxreg.landscape.theory.stationary import smooth_polynomial as smooth_polynomial
from jaxreg.landscape.theory.stationary import stability_threshold as stability_threshold
from jaxreg.landscape.theory.stationary import stationary_variance as stationary_variance
from jaxreg.landscape.theory.stationary import tail_index as tail_index
from jaxreg.landscape.theory.transfer import EscapeSteps as EscapeSteps
from jaxreg.landscape.theory.transfer import StationaryLaw as StationaryLaw
from jaxreg.landscape.theory.transfer import escape_steps as escape_steps
from jaxreg.landscape.theory.transfer import stationary_law as stationary_law
