"""Statistics of a population over a named dimension, with their uncertainty; diverged runs are left out and counted.

Every function takes what holds the runs: the `xarray.Dataset` of a sweep; one labelled array; a pandas frame or series,
whose index is then the dimension `index` unless it has a name; an array or a list, whose leading axes are then the
dimensions that `dim` names. With the name of a variable (which may be left out where there is one only) and of the
dimension of the runs, it returns a Dataset over the dimensions that remain: the estimate first, then `low`, `high`,
`n` (runs used) and `diverged` (runs left out). A run is left out where the variable `diverged` says so, and where its
value is not finite. What does not exist, a cell not `done` yet or the padding of a ragged dimension, is neither used
nor counted. Values along `dim` are taken as independent draws. An interval that the runs cannot support is infinite,
never NaN; a p value that they cannot support is 1; an estimate from no run is NaN.
"""

from jaxreg.stats.differences import compare as compare
from jaxreg.stats.differences import paired_difference as paired_difference
from jaxreg.stats.multiplicity import adjust as adjust
from jaxreg.stats.multiplicity import adjust_claims as adjust_claims
from jaxreg.stats.planning import power as power
from jaxreg.stats.planning import seeds_needed as seeds_needed
from jaxreg.stats.resampling import bootstrap as bootstrap
from jaxreg.stats.resampling import iqm as iqm
from jaxreg.stats.resampling import performance_profile as performance_profile
from jaxreg.stats.resampling import probability_of_improvement as probability_of_improvement
from jaxreg.stats.summaries import mean as mean
from jaxreg.stats.summaries import median as median
from jaxreg.stats.summaries import proportion as proportion
from jaxreg.stats.summaries import quantiles as quantiles
from jaxreg.stats.tables import table as table
from jaxreg.stats.tost import equivalence as equivalence
from jaxreg.stats.variance import variance_components as variance_components
