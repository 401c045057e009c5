"""Any population as one HTML page that needs neither server nor network: axes, bands, pairs, single runs, claims."""

from jaxreg.explorer.page import Explorer as Explorer
from jaxreg.explorer.page import explore as explore
