"""Time 2000 stratified bootstrap resamples of AUC, calibration and net benefit for three models.

    .venv/bin/python benchmarks/bootstrap.py

Risks of 863 patients in the paper's three sets (made up, from the seed in the first line). Prints one JSON
object a line. Aim: 20 s or less on 2 cores.
"""

import argparse
import json
import os
import platform
import time

import numpy as np
from scipy.special import expit

from helpers.evaluation.bootstrap import bootstrap_performance, performance_intervals
from helpers.learning.draws import resample_weights

SETS = {"training": (134, 286), "internal": (58, 122), "external": (117, 146)}
MODELS = {"clinical": 0.8, "radiomics": 1.4, "nomogram": 1.7}  # shift of the log odds between the classes
THRESHOLDS = np.arange(1, 100) / 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260428)
    parser.add_argument("--resamples", type=int, default=2000)
    chosen = parser.parse_args()
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(json.dumps({"seed": chosen.seed, "resamples": chosen.resamples, "machine": machine}))
    rng = np.random.default_rng(chosen.seed)
    total = 0.0
    for name, (diseased, healthy) in SETS.items():
        y = np.repeat([1, 0], [diseased, healthy])
        started = time.perf_counter()
        weights = resample_weights(y, chosen.resamples, rng)
        for model, shift in MODELS.items():
            risk = expit(rng.normal(size=y.size) + shift * (y - 0.7))
            performance = bootstrap_performance(y, risk, weights, THRESHOLDS)
            limits = performance_intervals(performance).round(3)
            found = {measure: limits.loc[measure].tolist() for measure in ("auc", "slope", "in_the_large")}
            print(json.dumps({"set": name, "model": model} | found))
        total += time.perf_counter() - started
    print(json.dumps({"seconds": round(total, 2)}))


if __name__ == "__main__":
    main()
