r"""Penalties on the parameters: value, proximal step and critical strength, on pytrees with a mask.

A penalty is a frozen value whose strengths are leaves of a pytree: they may be swept, traced, batched by `vmap` and
differentiated. Each is a plain sum over all the entries it acts on, whatever the number of samples:

| penalty | $P(w)$ | all zero from `alpha_max` on |
| --- | --- | --- |
| `L1` | $\alpha \|w\|_1$ | $\|g\|_\infty$ |
| `L2` | $\tfrac12 \alpha \|w\|_2^2$ | never |
| `ElasticNet` | $\alpha \rho \|w\|_1 + \tfrac12 \alpha (1-\rho) \|w\|_2^2$ | $\|g\|_\infty / \rho$ |
| `GroupLasso` | $\alpha \sum_g \sqrt{p_g}\, \|w_g\|_2$, $p_g$ entries | $\max \|g_g\|_2 / \sqrt{p_g}$ |
| `SparseGroupLasso` | $\alpha \rho \|w\|_1 + \alpha (1-\rho) \sum_g \sqrt{p_g}\, \|w_g\|_2$ | by halving |
| `MCP`, `SCAD` | $\alpha \|w\|_1$ near 0, constant far from it | $\|g\|_\infty$ |
| `Weighted` | $\sum f_i\, p(w_i)$ of another penalty, 0 for no penalty | that of $g_i / f_i$ |
| `Box`, `positive` | another penalty within bounds, infinite outside | that of the directions left |
| `MaxNorm` | 0 where all $\|w_u\|_2 \le r$, else infinite | |

A *mask* says which parameters a penalty acts on: a pytree prefix of `params` with truth values, a function that makes
one from `params` (as `kernels_only`), or None for all. `jaxreg.conventions` translates other libraries' strengths.

One's own penalty is anything with `value(params)` and `prox(params, step)`: see `jaxreg.linear.solve`.
"""

from jaxreg.penalties.base import Mask as Mask
from jaxreg.penalties.base import Penalty as Penalty
from jaxreg.penalties.base import Scalar as Scalar
from jaxreg.penalties.base import Separable as Separable
from jaxreg.penalties.base import SparsePenalty as SparsePenalty
from jaxreg.penalties.base import Strength as Strength
from jaxreg.penalties.base import kernels_only as kernels_only
from jaxreg.penalties.base import soft_threshold as soft_threshold
from jaxreg.penalties.composed import Box as Box
from jaxreg.penalties.composed import Weighted as Weighted
from jaxreg.penalties.composed import positive as positive
from jaxreg.penalties.folded import MCP as MCP
from jaxreg.penalties.folded import SCAD as SCAD
from jaxreg.penalties.groups import GroupLasso as GroupLasso
from jaxreg.penalties.groups import MaxNorm as MaxNorm
from jaxreg.penalties.groups import SparseGroupLasso as SparseGroupLasso
from jaxreg.penalties.norms import L1 as L1
from jaxreg.penalties.norms import L2 as L2
from jaxreg.penalties.norms import ElasticNet as ElasticNet
