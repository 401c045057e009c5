"""Experiments: one module per question, each with `Config`, `PRESETS`, `run(config) -> Dataset` and `CLAIMS`.

`python -m experiments` lists them; they never import matplotlib.
"""
