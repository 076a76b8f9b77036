"""Protects: no small number of new patients follows from all that is told, solved together in integers."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, milp

from helpers.frozen import verdicts
from helpers.frozen.told import UNKNOWN, tell
from helpers.study import small_counts

MIN_CELL = 10
STAGES = ("excluded", "refused", "outside the domain", UNKNOWN, "scored with warning", "scored")
OUTSIDE, WARNED, SCORED = STAGES[2], STAGES[4], STAGES[5]
MEASURED = STAGES[2:]


def met_by_model(*sizes):
    """So many patients of each of `STAGES`, and their outcomes."""
    status = np.repeat([*STAGES[:3], SCORED, *STAGES[4:]], sizes)
    table = pd.DataFrame({"patient_id": [f"P{n}" for n in range(len(status))], "status": status})
    outcomes = table[["patient_id"]].assign(outcome=np.arange(len(table)) % 2.0)
    start = sum(sizes[:3])
    outcomes.loc[range(start, start + sizes[3]), "outcome"] = np.nan
    table = table.assign(reason="", category="")
    measured = ~table["status"].isin(STAGES[:2])
    met = verdicts.Met(table, table.loc[measured, ["patient_id"]], table.loc[table["status"] == OUTSIDE])
    return met, outcomes


def flow_of(told, min_cell=MIN_CELL):
    table = small_counts.protect("new_hospital_flow", told.flow(), min_cell)
    return table.set_index("stage")["patients"].to_dict()


def domain_of(told, met, min_cell=MIN_CELL):
    flags = met.scores["patient_id"].isin(met.outside["patient_id"])
    row = ["new hospital", len(flags), int((~flags).sum()), int(flags.sum())]
    table = pd.DataFrame([row], columns=["patients", "n", "within", "outside"])
    return small_counts.protect("new_hospital_domain", told.within_domain(table), min_cell).iloc[0]


def test_the_flow_of_many_is_told_stage_by_stage():
    met, outcomes = met_by_model(20, 15, 12, 0, 30, 60)
    told = tell(met, MIN_CELL, outcomes)
    shown = dict(zip(STAGES, [20, 15, 12, 0, 30, 60], strict=True)) | {"all": 137}
    shown.pop(UNKNOWN)
    assert flow_of(told) == shown
    assert told.arrivals() == "of 102: 30 scored with warning, 12 outside the domain"
    assert told.warned() == "30 of 90"


def test_few_stand_with_their_neighbours():
    met, outcomes = met_by_model(20, 15, 3, 4, 4, 60)
    told = tell(met, MIN_CELL, outcomes)
    together = f"refused or outside the domain or {UNKNOWN}"
    assert flow_of(told) == {"all": 106, "excluded": 20, together: 22, SCORED: 64}
    assert told.arrivals() == "of everybody measured: <10 scored with warning, <10 outside the domain"
    assert told.warned() == "<10 of 64"


def test_where_all_who_are_not_judged_are_few_the_number_screened_is_not_told():
    met, outcomes = met_by_model(2, 0, 1, 0, 0, 60)
    assert flow_of(tell(met, MIN_CELL, outcomes))["all"] == "hidden"


def test_without_any_outcome_those_scored_are_one_stage():
    met, outcomes = met_by_model(20, 0, 0, 0, 0, 60)
    shown = flow_of(tell(met, MIN_CELL, outcomes.assign(outcome=np.nan)))
    assert shown == {"all": 80, "excluded": 20, SCORED: 60}


def test_rare_reasons_join_the_smallest_named_one():
    met, outcomes = met_by_model(50, 0, 0, 0, 0, 60)
    met.table.loc[:49, "category"] = np.repeat(["young", "late", "metal", "cement"], [30, 14, 3, 3])
    flow = tell(met, MIN_CELL, outcomes).flow()
    rows = flow[flow["stage"] == "excluded"].set_index("reason")["patients"].to_dict()
    assert rows == {"young": 30, "other reasons": 20}


def published(truth, told, met):
    """Sums of stages that tables, captions and site.json publish, and what is said to be small."""
    sums, small = [((WARNED, SCORED), truth[WARNED] + truth[SCORED])], []  # those judged, in every table
    flow = flow_of(told, told.min_cell)
    parts = {name: tuple(name.split(" or ")) for name in flow} | {"all": STAGES}
    if WARNED not in flow:
        parts[SCORED] = (WARNED, SCORED)
    domain = domain_of(told, met, told.min_cell)
    flow |= {("n",): domain["n"], ("within",): domain["within"], ("outside",): domain["outside"]}
    parts |= {("n",): MEASURED, ("within",): MEASURED[1:], ("outside",): (OUTSIDE,)}
    for name, count in flow.items():
        if not isinstance(count, str):
            sums.append((parts[name], count))
        elif count.startswith("<"):
            small.append(parts[name])
    head, *counts = told.arrivals().replace(":", ",").split(", ")
    if head.split()[1].isdigit():  # described of site.json follows the same rule
        sums.append((MEASURED, int(head.split()[1])))
    for words, stage in zip(counts, (WARNED, OUTSIDE), strict=True):
        count = words.split()[0]
        sums += [((stage,), int(count))] if count.isdigit() else []
        small += [(stage,)] if count.startswith("<") else []
    return sums, small


def limits(target, sums, small, min_cell):
    """The smallest and largest number that a stage can have, by integer programming."""
    matrix = np.array([[name in part for name in STAGES] for part in [*(part for part, _ in sums), *small]])
    low = [count for _, count in sums] + [1] * len(small)
    high = [count for _, count in sums] + [min_cell - 1] * len(small)
    cost = np.array([float(name == target) for name in STAGES])
    rules = LinearConstraint(matrix.astype(float), low, high)
    ends = [milp(sign * cost, constraints=rules, integrality=np.ones(len(STAGES))) for sign in (1, -1)]
    assert all(end.success for end in ends), "the published numbers contradict each other"
    return round(ends[0].fun), round(-ends[1].fun)


@pytest.mark.parametrize("seed", range(100))
def test_no_small_stage_follows_from_all_that_is_told(seed):
    """Who solves everything published together in integers never pins down a stage of few patients."""
    rng, min_cell = np.random.default_rng(seed), (10, 3, 5)[seed % 3]
    sizes = [int(rng.choice([0, 1, 2, 3, 4, 7, 9, 12, 25, 60])) for _ in STAGES[:-1]] + [80]
    truth = dict(zip(STAGES, sizes, strict=True))
    met, outcomes = met_by_model(*sizes)
    sums, small = published(truth, tell(met, min_cell, outcomes), met)
    for name in STAGES:
        if 0 < truth[name] < min_cell:
            low, high = limits(name, sums, small, min_cell)
            assert low <= truth[name] <= high
            assert low < high, f"{name} is {truth[name]}: {sums}, {small}"
