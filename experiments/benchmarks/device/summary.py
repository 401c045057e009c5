"""What the rows of an accelerator's benchmark say together: over XLA, over peers, of the machine's limits."""

from typing import Any

import numpy as np

from experiments.benchmarks.timing import row


def sum_up(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows that compare rows: kernels, peers, and shares of what the machine can do."""
    found = {entry["name"]: entry for entry in rows}
    summary = []
    for name, entry in found.items():
        other = found.get(name.replace(", pallas", ", xla"))
        if name.endswith(", pallas") and other is not None:
            summary.append(row(f"{name}: over XLA", entry["value"] / other["value"], "x", target=5))
    bandwidth = found.get("memory bandwidth: scaling an array", {}).get("value")
    product = found.get("best matrix product, default", {}).get("value")
    networks = [entry for entry in rows if "bytes_per_second" in entry]
    for entry in networks:
        if bandwidth and product:
            summary.append(row(f"{entry['name']}: of bandwidth", entry["bytes_per_second"] / bandwidth / 1e9, "share"))
            share = entry["operations_per_second"] / product / 1e12
            summary.append(row(f"{entry['name']}: of products", share, "share"))
    best = max((entry["value"] for entry in networks), default=None)
    for name, target in (("PyTorch loop", 40), ("torch.func.vmap", 5)):
        peers = [entry["value"] for entry in rows if entry["name"].endswith(name)]
        if best and peers:
            summary.append(row(f"T5 networks over {name}", best / peers[0], "x", target=target))
    exact = found.get(next((name for name in found if name.endswith("float32 products")), ""))
    for entry in rows:
        if exact is not None and entry is not exact and "accuracies" in entry:
            gaps = np.subtract(entry["accuracies"], exact["accuracies"])
            note = f"paired, ± {gaps.std(ddof=1) / np.sqrt(len(gaps)):.3f} standard error"
            summary.append(row(f"{entry['name']}: accuracy beside float32", gaps.mean(), "points", note=note))
    return summary
