"""Figures: one module per figure, `draw(dataset) -> Figure` and `CAPTION`, where `experiments` has its study.

`python -m paper_figures` computes what is missing and writes PDF, PNG and a page that shows them; nothing here trains.
"""
