"""Landscapes in any dimension: any JAX function, its critical points and basins, and any Optax optimizer on it."""

from jaxreg.landscape.space.critical import FATES as FATES
from jaxreg.landscape.space.critical import CriticalPoints as CriticalPoints
from jaxreg.landscape.space.critical import basin as basin
from jaxreg.landscape.space.critical import fate as fate
from jaxreg.landscape.space.critical import find_critical_points as find_critical_points
from jaxreg.landscape.space.descent import Descent as Descent
from jaxreg.landscape.space.descent import Occupancy as Occupancy
from jaxreg.landscape.space.descent import descend as descend
from jaxreg.landscape.space.descent import first_passage as first_passage
from jaxreg.landscape.space.descent import occupancy as occupancy
from jaxreg.landscape.space.named import BEALE as BEALE
from jaxreg.landscape.space.named import HIMMELBLAU as HIMMELBLAU
from jaxreg.landscape.space.named import MULLER_BROWN as MULLER_BROWN
from jaxreg.landscape.space.named import ROSENBROCK as ROSENBROCK
from jaxreg.landscape.space.named import STYBLINSKI_TANG as STYBLINSKI_TANG
from jaxreg.landscape.space.named import rosenbrock as rosenbrock
from jaxreg.landscape.space.named import styblinski_tang as styblinski_tang
from jaxreg.landscape.space.surface import Landscape as Landscape
