"""Networks: the model, its dropout, its training with all its options, when to stop it, and its evaluation."""

from jaxreg.nets import scratch as scratch
from jaxreg.nets import stopping as stopping
from jaxreg.nets.augmentation import Augmentation as Augmentation
from jaxreg.nets.augmentation import augment as augment
from jaxreg.nets.dropout import keep_mask as keep_mask
from jaxreg.nets.dropout import multiplier as multiplier
from jaxreg.nets.evaluation import LOSSES as LOSSES
from jaxreg.nets.evaluation import evaluate as evaluate
from jaxreg.nets.history import History as History
from jaxreg.nets.model import ACTIVATIONS as ACTIVATIONS
from jaxreg.nets.model import INITIALIZERS as INITIALIZERS
from jaxreg.nets.model import MLP as MLP
from jaxreg.nets.model import UNIT_AXIS as UNIT_AXIS
from jaxreg.nets.optimizers import OPTIMIZERS as OPTIMIZERS
from jaxreg.nets.optimizers import SCHEDULES as SCHEDULES
from jaxreg.nets.options import Options as Options
from jaxreg.nets.penalized import On as On
from jaxreg.nets.stopping_rule import EarlyStopping as EarlyStopping
from jaxreg.nets.training import train as train
from jaxreg.nets.whitening import Whitening as Whitening
from jaxreg.nets.whitening import fit_whitening as fit_whitening
