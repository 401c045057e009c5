"""Figure of the benchmarks: measured ratios and shares."""
