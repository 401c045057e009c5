"""Linear models for whole populations: fits, exact paths, their selection and their theory."""

from jaxreg.linear.design import Standardized as Standardized
from jaxreg.linear.design import polynomial_features as polynomial_features
from jaxreg.linear.design import standardize as standardize
from jaxreg.linear.fit import LinearFit as LinearFit
from jaxreg.linear.fit import Status as Status
