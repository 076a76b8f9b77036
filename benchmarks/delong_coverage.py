"""Do 95 % DeLong intervals cover the true AUC, and does the paired test reject 5 % under the null?

    .venv/bin/python benchmarks/delong_coverage.py

Simulates patients from a binormal model, whose AUC is known exactly. Prints one JSON object a line; all
random numbers come from the seed in the first line.
"""

import argparse
import json

import numpy as np
from scipy.stats import norm

from helpers.evaluation.delong import delong_auc, delong_test

# Patients with and without the disease, as in the paper's training, internal and external set.
SETS = {"training": (134, 286), "internal": (58, 122), "external": (117, 146)}
AUCS = [0.7, 0.8, 0.85, 0.9]
CORRELATION = 0.6  # of the two compared scores within a class


def coverage(rng: np.random.Generator, auc: float, diseased: int, healthy: int, repeats: int) -> float:
    """Share of intervals that hold the true AUC."""
    shift = np.sqrt(2) * norm.ppf(auc)
    y = np.repeat([1, 0], [diseased, healthy])
    held = 0
    for _ in range(repeats):
        area = delong_auc(y, rng.normal(size=y.size) + shift * y)
        held += area.ci_low <= auc <= area.ci_high
    return held / repeats


def rejections(rng: np.random.Generator, auc: float, diseased: int, healthy: int, repeats: int) -> float:
    """Share of P < 0.05 for two correlated scores of equal AUC."""
    shift = np.sqrt(2) * norm.ppf(auc)
    y = np.repeat([1, 0], [diseased, healthy])
    rejected = 0
    for _ in range(repeats):
        common = np.sqrt(CORRELATION) * rng.normal(size=y.size)
        a, b = np.sqrt(1 - CORRELATION) * rng.normal(size=(2, y.size)) + common + shift * y
        rejected += delong_test(y, a, b).p_value < 0.05
    return rejected / repeats


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260428)
    parser.add_argument("--repeats", type=int, default=10_000)
    chosen = parser.parse_args()
    # Two simulation standard errors of a share near 0.05.
    margin = 2 * np.sqrt(0.05 * 0.95 / chosen.repeats)
    print(json.dumps({"seed": chosen.seed, "repeats": chosen.repeats, "two_simulation_se": round(margin, 4)}))
    streams = np.random.SeedSequence(chosen.seed).spawn(len(SETS) * len(AUCS))
    for stream, (name, auc) in zip(streams, [(n, a) for n in SETS for a in AUCS], strict=True):
        rng = np.random.default_rng(stream)
        found = {"set": name, "diseased": SETS[name][0], "healthy": SETS[name][1], "auc": auc}
        found["coverage"] = coverage(rng, auc, *SETS[name], chosen.repeats)
        found["rejections"] = rejections(rng, auc, *SETS[name], chosen.repeats)
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
