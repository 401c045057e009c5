"""The population engine: axes → grid → programs → execution → dataset or store."""

from jaxreg.engine.axes import cases as cases
from jaxreg.engine.axes import seeds as seeds
from jaxreg.engine.axes import static as static
from jaxreg.engine.axes import zipped as zipped
from jaxreg.engine.checking import replay as replay
from jaxreg.engine.devices import use_all_cores as use_all_cores
from jaxreg.engine.entry import plan as plan
from jaxreg.engine.entry import sweep as sweep
from jaxreg.engine.outputs import ragged as ragged
