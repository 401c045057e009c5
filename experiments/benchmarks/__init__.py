"""How fast all this is, against what one would write instead.

`python -m experiments.benchmarks` measures; with --device, an accelerator.
"""
