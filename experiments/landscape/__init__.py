"""SGD on landscapes (tutorial T2)."""
