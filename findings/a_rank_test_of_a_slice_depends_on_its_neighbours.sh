#!/usr/bin/env bash
# SciPy 1.17.1: a rank test along an axis gives a slice another p value when a *different* slice has a tie.
#
# Guess before the run: mannwhitneyu(x, y, axis=1) is the test of each row, as if it were alone.
# Seen: method="auto" chooses between the exact and the asymptotic distribution once, for the whole array. One tie in
# row 1 turns the p value of row 0, whose numbers stay as they are, from 0.0087 (exact, what row 0 has alone) to 0.0131;
# one difference of zero in row 1 of wilcoxon(d, axis=1) turns that of row 0 from 0.4980 to 0.4781.
# So populations are tested row by row, or with an explicit method for rows of one kind.
# Exits 0 while this is so, 1 once it has changed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet scipy==1.17.1 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np
from scipy.stats import mannwhitneyu, wilcoxon

rng = np.random.default_rng(0)
x, y = rng.normal(size=(2, 6)), rng.normal(size=(2, 6))
tied = y.copy()
tied[1, 0] = x[1, 0]
alone = mannwhitneyu(x[0], y[0]).pvalue
apart, beside = mannwhitneyu(x, y, axis=1).pvalue[0], mannwhitneyu(x, tied, axis=1).pvalue[0]
print(f"mannwhitneyu of row 0: alone {alone:.4f}, beside a row without ties {apart:.4f}, with one {beside:.4f}")
d = rng.normal(size=(2, 20))
zero = d.copy()
zero[1, 0] = 0.0
d_alone = wilcoxon(d[0]).pvalue
d_apart, d_beside = wilcoxon(d, axis=1).pvalue[0], wilcoxon(zero, axis=1).pvalue[0]
print(f"wilcoxon of row 0: alone {d_alone:.4f}, beside a row without zeros {d_apart:.4f}, with one {d_beside:.4f}")
as_described = alone == apart != beside and d_alone == d_apart != d_beside
sys.exit(not as_described)
PYTHON
