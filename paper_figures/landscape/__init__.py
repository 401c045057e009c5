"""Figures: SGD on landscapes (tutorial T2)."""
