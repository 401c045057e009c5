"""Figures: Polynomial regression and linear models (tutorial T1)."""
