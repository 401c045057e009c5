"""Figures: Networks on images of digits (tutorials T3 and T5)."""
