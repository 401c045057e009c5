"""Figures: one module per figure, `draw(dataset) -> Figure` and `CAPTION`, named after the experiment it draws.

`python -m paper_figures` computes what is missing and writes PDF, PNG and a page that shows them; nothing here trains.
"""
