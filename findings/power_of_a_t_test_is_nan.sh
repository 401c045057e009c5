#!/usr/bin/env bash
# statsmodels 0.15.0 on SciPy 1.17.1: the power of an ordinary t test is NaN, because scipy.special.nctdtr is.
#
# Guess before the run: power grows with n towards 1, and a standardised effect of 1.2 with 100 pairs has power 1.
# Seen: TTestPower().power(1.2, n, 0.05) is 0.9999999999 at n = 50, NaN at 100 and 150, and 1.0 at 190 and 300; at n = 20
# it is NaN for effects from 2 to 4. The term of the far tail, P(T < -t) at a noncentrality of 9 or more, is less than
# 1e-18; SciPy's nctdtr returns NaN for it at some arguments (and 1e-62 at others further out), and the sum is NaN.
# The true value is no more than P(Z < -noncentrality), so NaN there may be read as 0.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet statsmodels==0.15.0 scipy==1.17.1 numpy==2.4.6 pandas==3.1.1
"$work/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from scipy.special import nctdtr, stdtrit
from statsmodels.stats.power import TTestPower

counts = (50, 100, 150, 190, 300)
powers = [float(TTestPower().power(1.2, n, 0.05)) for n in counts]
tails = [float(nctdtr(n - 1, 1.2 * np.sqrt(n), stdtrit(n - 1, 0.025))) for n in counts]
for n, power, tail in zip(counts, powers, tails):
    print(f"n = {n}: power {power}, P(T < -t) by nctdtr {tail}")
effects = [float(TTestPower().power(effect, 20, 0.05)) for effect in (1.0, 2.0, 3.0, 4.0, 5.0)]
print(f"n = 20, effects 1 to 5: {effects}")
as_described = list(np.isnan(powers)) == [False, True, True, False, False] and np.isnan(effects[1:4]).all()
sys.exit(not as_described)
PYTHON
