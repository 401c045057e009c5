"""What a study is made of: claims with their quantities and bounds; and the command lines of folders of studies.

A study is a module as `jaxreg.study.experiment.Experiment` says; `python -m jaxreg new FOLDER NAME` writes one.
"""

from jaxreg.claims import Above as Above
from jaxreg.claims import Below as Below
from jaxreg.claims import Claim as Claim
from jaxreg.claims import Estimate as Estimate
from jaxreg.claims import Inside as Inside
from jaxreg.claims import estimate as estimate
from jaxreg.claims import exactly as exactly
from jaxreg.claims import find_claim as find_claim
from jaxreg.claims import judge as judge
from jaxreg.claims import percentage as percentage
from jaxreg.study.quantities import Best as Best
from jaxreg.study.quantities import at as at
from jaxreg.study.quantities import choose as choose
from jaxreg.study.quantities import gain as gain
from jaxreg.study.quantities import held_out as held_out
from jaxreg.study.quantities import largest as largest
from jaxreg.study.quantities import mean as mean
from jaxreg.study.quantities import ratio as ratio
from jaxreg.study.quantities import share as share
from jaxreg.study.quantities import worst as worst
from jaxreg.study.stores import beside as beside
