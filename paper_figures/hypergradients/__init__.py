"""Figures: Hypergradients: how far they can be trusted, and what they find."""
