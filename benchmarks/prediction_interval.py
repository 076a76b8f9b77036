"""Does the 95 % prediction interval hold the next hospital's true AUC in 95 of 100 pools of eight hospitals?

    .venv/bin/python benchmarks/prediction_interval.py

Each pool has eight hospitals, whose true AUCs differ by ``tau`` on the scale of log odds. Each hospital draws
patients from a binormal model and estimates its AUC with DeLong's variance, as in site.json; the pool is
summarised as chapter 16 does (REML, Hartung and Knapp). Held are the true AUC of a ninth hospital, and the
mean. Prints one JSON object a line, and writes the table of data/benchmarks that chapter 16 shows;
all random numbers come from the seed in the first line.
"""

import argparse
import json

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from scipy.stats import norm

from helpers.evaluation.delong import delong_auc
from helpers.evaluation.meta_analysis import random_effects
from helpers.study.places import REPOSITORY

HOSPITALS, AUC, PREVALENCE = 8, 0.8, 0.35
SIZES = (80, 400)  # patients, the fewest and the most
TAUS = (0.0, 0.15, 0.3, 0.6)


def hospital(rng: np.random.Generator, auc: float) -> tuple[float, float]:
    """Log odds of the AUC that a hospital finds, and their variance."""
    n = int(rng.integers(SIZES[0], SIZES[1] + 1))
    y = (np.arange(n) < max(10, rng.binomial(n, PREVALENCE))).astype(int)
    found = delong_auc(y, rng.normal(size=n) + np.sqrt(2) * norm.ppf(auc) * y)
    return logit(found.auc), found.variance / (found.auc * (1 - found.auc)) ** 2


def pool(rng: np.random.Generator, tau: float) -> tuple[bool, bool, bool, float]:
    """Whether a pool's intervals hold the next hospital and the mean, tau is 0; the first one's width."""
    *true, following = expit(logit(AUC) + tau * rng.normal(size=HOSPITALS + 1))
    found = random_effects(*np.array([hospital(rng, auc) for auc in true]).T)
    return (
        found.pi_low <= logit(following) <= found.pi_high,
        found.ci_low <= logit(AUC) <= found.ci_high,
        found.tau2 == 0,
        float(np.ptp(expit([found.pi_low, found.pi_high]))),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seed", type=int, default=20260428)
    parser.add_argument("--pools", type=int, default=200)
    chosen = parser.parse_args()
    margin = 2 * np.sqrt(0.05 * 0.95 / chosen.pools)
    print(json.dumps({"seed": chosen.seed, "pools": chosen.pools, "two_simulation_se": round(margin, 4)}))
    rows = []
    for stream, tau in zip(np.random.SeedSequence(chosen.seed).spawn(len(TAUS)), TAUS, strict=True):
        rng = np.random.default_rng(stream)
        next_held, mean_held, none, width = np.mean([pool(rng, tau) for _ in range(chosen.pools)], axis=0)
        row = {"tau": tau, "next_held": next_held, "mean_held": mean_held, "tau2_is_0": none}
        rows.append(row | {"mean_width": round(width, 3), "pools": chosen.pools, "hospitals": HOSPITALS})
        print(json.dumps(rows[-1]), flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(REPOSITORY / "data" / "benchmarks" / "prediction_interval.csv", index=False)


if __name__ == "__main__":
    main()
