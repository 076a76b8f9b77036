"""Make data/real from its two public sources; its README says what they are and what is done to them.

    python benchmarks/real_tables.py Keek2020.gz Clinical_DESIGN.csv

Keek2020.gz is radMLBench's (datasets/, commit f757f7b2f265), Clinical_DESIGN.csv the authors' own (commit
f0ef00bee9bd). The same sources make the same bytes.
"""

import gzip
import sys
from pathlib import Path

import pandas as pd

from helpers.study.places import REPOSITORY

REAL = REPOSITORY / "data" / "real"
THREE_YEARS = 3 * 365  # days, as in radMLBench
COLUMNS = {"DoB_E1_C1": "age", "Sex_E1_C1": "sex", "WHO_E1_C1": "who_status", "Stage_E1_C1": "stage"}


def people_of(clinical: pd.DataFrame) -> pd.DataFrame:
    """The patients whose fate after three years is known, in the authors' order: all columns but features."""
    died, days = clinical["StatusDeath"] == 1, clinical["TimeToDeathOrLastFU"]
    known = clinical[died | (days > THREE_YEARS)].reset_index(drop=True)
    people = known[list(COLUMNS)].rename(columns=COLUMNS)
    people.insert(0, "ID", known["StudySubjectID"])
    centre = people["ID"].str.extract("^(AVL|MAASTR|UMCU|VUMC)", expand=False)
    people.insert(1, "centre", centre.replace("MAASTR", "MAASTRO"))
    people["sex"] = people["sex"].map({1: "M", 2: "F"})
    whole = {name: people[name].astype("Int64") for name in ("age", "who_status", "stage")}
    people["exclusion"] = people["sex"].isna().map({True: "sex not stated", False: ""})
    died_early = known["TimeToDeathOrLastFU"] < THREE_YEARS
    return people.assign(**whole, died_within_3_years=died_early.astype(int))


def main(packed: str, clinical: str) -> None:
    """Write both tables."""
    people = people_of(pd.read_csv(clinical, sep=";", encoding="latin1"))
    # radMLBench takes its numbers before patients are left out; rows and outcomes are in the authors' order.
    features = pd.read_csv(packed, compression="gzip")
    if not (features["Target"] == people["died_within_3_years"]).all():
        sys.exit("The outcomes of the two sources differ: these are not the files of those commits.")
    features = pd.concat([people["ID"], features.drop(columns=["ID", "Target"])], axis=1)
    table = features.to_csv(index=False, float_format="%.7g", lineterminator="\n")
    (REAL / "keek2020_features.csv.gz").write_bytes(gzip.compress(table.encode(), 9, mtime=0))
    people.to_csv(REAL / "keek2020_clinical.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
