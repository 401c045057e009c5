"""Data sets: embedded digits; MNIST and others, local, cached or downloaded; folders of PNG images; what one has."""

from jaxreg.datasets.dataset import About as About
from jaxreg.datasets.dataset import Dataset as Dataset
from jaxreg.datasets.folder import load_folder as load_folder
from jaxreg.datasets.idx import read_idx as read_idx
from jaxreg.datasets.loading import load as load
from jaxreg.datasets.prepare import one_hot as one_hot
from jaxreg.datasets.splitting import split as split
