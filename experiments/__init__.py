"""Experiments by subject: one module or package per question, with `Config`, `PRESETS`, `run` and `CLAIMS`.

`python -m experiments` lists them; they never import matplotlib. What only one of them needs is in its package.
"""
