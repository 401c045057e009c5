"""jaxreg: population studies of regularization and SGD. The table of contents is `__init__.pyi`.

Names load on first use, so that `import jaxreg` costs nothing beyond `import jax`.
"""

import lazy_loader

from jaxreg import forks as forks  # it notes forks from now on

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
