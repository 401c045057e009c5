r"""Data losses, one value per example (or per output of an example), never summed or averaged here.

Averaging is the business of `jaxreg.objectives`, which knows which samples count. Where other libraries differ:

- `squared` has no ½. Its mean is PyTorch's `MSELoss` and Keras' `MeanSquaredError`, its half `optax.l2_loss`. In
  scikit-learn, `Ridge` sums it, `Lasso` and `ElasticNet` take half of its mean.
- `absolute` averages to PyTorch's `L1Loss` and Keras' `MeanAbsoluteError`.
- `gaussian` is all of the negative log-density, as PyTorch's `GaussianNLLLoss` with `full=True` is, which takes σ².
- `huber` has ½ inside, as PyTorch's `HuberLoss` and Keras' `Huber` do; PyTorch's `SmoothL1Loss` divides by $\delta$.
- `binary_cross_entropy` clips probabilities, as Keras does (ε = 1e-7); PyTorch's `BCELoss` clips logarithms at -100.
- `softmax_cross_entropy` takes logits, as PyTorch's `CrossEntropyLoss` does; Keras needs `from_logits=True`.
"""

from jaxreg.losses.classification import Target as Target
from jaxreg.losses.classification import binary_cross_entropy as binary_cross_entropy
from jaxreg.losses.classification import binary_cross_entropy_from_logits as binary_cross_entropy_from_logits
from jaxreg.losses.classification import softmax_cross_entropy as softmax_cross_entropy
from jaxreg.losses.classification import softmax_cross_entropy_one_hot as softmax_cross_entropy_one_hot
from jaxreg.losses.regression import absolute as absolute
from jaxreg.losses.regression import gaussian as gaussian
from jaxreg.losses.regression import gaussian_mixture as gaussian_mixture
from jaxreg.losses.regression import huber as huber
from jaxreg.losses.regression import laplace as laplace
from jaxreg.losses.regression import quantile as quantile
from jaxreg.losses.regression import squared as squared
