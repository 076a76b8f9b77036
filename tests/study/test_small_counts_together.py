"""Protects: the shared tables of a run together give no hidden count away, also to who solves all at once.

The attack knows every published number and what each counts. It asks for patients (whole numbers of each
kind: cohort, outcome, sex, scanner, age, quality) that fit all of them, and for the fewest and the most that
a hidden cell may hold: where both are the same, the cell is told.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp

from helpers.study import small_counts

KINDS = {
    "cohort": ["training", "internal", "external"],
    "outcome": [0, 1],
    "sex": ["female", "male"],
    "scanner": ["A", "B", "C"],
    "age": ["59 and under", "60 to 69", "70 and over"],
    "status": ["ok", "warned"],
}
WORDS = {1: "osteoporosis", 0: "non-osteoporosis"}


def atoms_of(table):
    """Every kind of patient that there might be."""
    levels = [sorted(table[name].unique()) for name in KINDS]
    return pd.DataFrame(list(itertools.product(*levels)), columns=list(KINDS))


def people(n, seed):
    """Patients of whom few are men, few scanned by C, and few warned about."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "cohort": rng.choice(KINDS["cohort"], n, p=[0.5, 0.2, 0.3]),
            "outcome": rng.binomial(1, 0.4, n),
            "sex": rng.choice(KINDS["sex"], n, p=[0.8, 0.2]),
            "scanner": rng.choice(KINDS["scanner"], n, p=[0.55, 0.35, 0.1]),
            "age": rng.choice(KINDS["age"], n, p=[0.4, 0.4, 0.2]),
            "status": rng.choice(KINDS["status"], n, p=[0.9, 0.1]),
        }
    )


def whole_tables(table):
    """The tables that count these patients, in the shape in which chapters 01 to 10 write them."""
    groups = dict(list(table.groupby("cohort")))
    return {
        "table_1": _table_1(groups),
        "table_1_cohorts": _table_1_cohorts(groups),
        "rad_score": _counted(table.assign(outcome=table["outcome"].map(WORDS)), ["cohort", "outcome"], "n"),
        "scanners": _counted(table, ["cohort", "scanner"], "patients"),
        "preprocessing_summary": _quality(groups, table),
        "strict_subgroups": _subgroups(groups),
        "flow_chart": _flow(groups),
        "table_3": pd.DataFrame(
            [{"model": "LR", "cohort": name} | _sizes(part) for name, part in groups.items()]
        ),
    }


def _flow(groups):
    """Site 1 is divided in two sets; 40 of each site were excluded for one reason, nobody was refused."""
    sites = {"1": {"training", "internal"}, "2": {"external"}}
    rows = []
    for site, cohorts in sites.items():
        parts = {name: groups[name] for name in KINDS["cohort"] if name in cohorts}
        n, events = (sum(_sizes(part)[key] for part in parts.values()) for key in ("n", "events"))
        rows += [(site, "screened", "", n + 40, None), (site, "excluded", "young", 40, None)]
        rows += [(site, stage, "", n, events) for stage in ("included", "analysed")]
        rows += [(site, name, "", *_sizes(part).values()) for name, part in parts.items()]
    return pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "outcome"])


def _sizes(part):
    return {"n": len(part), "events": int(part["outcome"].sum())}


def _counted(table, names, called):
    return table.groupby(names).size().rename(called).reset_index()


def _table_1(groups):
    rows = []
    for cohort, part in groups.items():
        rows.append((cohort, "patients", "cohort", "n", len(part)))
        for outcome, word in WORDS.items():
            ones = part[part["outcome"] == outcome]
            rows.append((cohort, "patients", word, "n", len(ones)))
            rows += [(cohort, "sex", word, sex, (ones["sex"] == sex).sum()) for sex in ("male", "female")]
    names = ["cohort", "characteristic", "subject", "metric", "value"]
    return pd.DataFrame(rows, columns=names).astype({"value": float})


def _table_1_cohorts(groups):
    rows = [
        (name, cohort, (part[column] == level).sum(), len(part), 0.5, 0.5, 0.1)
        for cohort, part in groups.items()
        for name, column, level in (("male", "sex", "male"), ("osteoporosis", "outcome", 1))
    ]
    return pd.DataFrame(rows, columns=["characteristic", "cohort", "count", "n", "share", "p_value", "smd"])


def _quality(groups, table):
    def row(name, part):
        status = part["status"].value_counts().reindex(KINDS["status"], fill_value=0)
        return {"cohort": name, "patients": len(part), **status.to_dict(), "refused": 0}

    return pd.DataFrame([row(*one) for one in [*groups.items(), ("all", table)]])


def _subgroups(groups):
    rows = [
        {"cohort": cohort, "characteristic": name, "group": level} | _sizes(part[part[name] == level])
        for cohort, part in groups.items()
        for name in ("sex", "age", "scanner")
        for level in sorted(part[name].unique())
    ]
    return pd.DataFrame(rows)


def _cells_of_flow(table):
    for row in table.itertuples():
        whose = {"cohort": row.stage}
        if row.stage in ("screened", "included", "analysed"):
            whose = {"cohort": ["training", "internal"] if row.site == "1" else ["external"]}
        if row.stage == "screened" and not isinstance(row.patients, str):
            yield whose, row.patients - 40
        if row.stage not in ("screened", "excluded"):
            yield whose, row.patients
            yield whose | {"outcome": 1}, row.outcome


def cells(shown):
    """Every cell that counts patients: which ones, and what is published of them."""
    for row in shown["table_1"].itertuples():
        whose = {"cohort": row.cohort}
        if row.subject != "cohort":
            whose["outcome"] = int(row.subject == WORDS[1])
        yield whose | ({"sex": row.metric} if row.metric != "n" else {}), row.value
    levels = {"male": {"sex": "male"}, "osteoporosis": {"outcome": 1}}
    for row in shown["table_1_cohorts"].itertuples():
        yield {"cohort": row.cohort} | levels[row.characteristic], row.count
        yield {"cohort": row.cohort}, row.n
    for row in shown["rad_score"].itertuples():
        yield {"cohort": row.cohort, "outcome": int(row.outcome == WORDS[1])}, row.n
    for row in shown["scanners"].itertuples():
        yield {"cohort": row.cohort, "scanner": row.scanner}, row.patients
    for row in shown["preprocessing_summary"].itertuples():
        whose = {} if row.cohort == "all" else {"cohort": row.cohort}
        yield whose, row.patients
        yield from ((whose | {"status": name}, getattr(row, name)) for name in KINDS["status"])
    for row in shown["strict_subgroups"].itertuples():
        whose = {"cohort": row.cohort, row.characteristic: row.group}
        yield whose, row.n
        yield whose | {"outcome": 1}, row.events
    yield from _cells_of_flow(shown["flow_chart"])
    for row in shown["table_3"].itertuples():
        yield {"cohort": row.cohort}, row.n
        yield {"cohort": row.cohort, "outcome": 1}, row.events


def given_away(shown, min_cell, atoms):
    """Hidden cells of which everything published together leaves one number only."""
    rows, low, high, hidden = [], [], [], {}
    for whose, told in cells(shown):
        chosen = np.ones(len(atoms), dtype=bool)
        for name, level in whose.items():
            chosen &= atoms[name].isin(level if isinstance(level, list) else [level]).to_numpy()
        limits = _limits(told, min_cell)
        rows.append(chosen.astype(float))
        low.append(limits[0])
        high.append(limits[1])
        if isinstance(told, str):
            hidden[str(sorted(whose.items()))] = rows[-1]
    known = LinearConstraint(np.array(rows), np.array(low), np.array(high))
    patients: list[np.ndarray] = []  # that fit everything published
    return {
        whose: count for whose, row in hidden.items() if (count := _only(row, known, patients)) is not None
    }


def _only(row, known, patients):
    """The one number that a cell can be; None when patients are found, or were, with two."""
    for sign in (1, -1):
        if len({round(row @ one) for one in patients}) > 1:
            return None
        patients.append(_end(sign * row, known))
    numbers = {round(row @ one) for one in patients}
    return numbers.pop() if len(numbers) == 1 else None


def _limits(told, min_cell):
    if not isinstance(told, str):
        return float(told), float(told)
    return (1, min_cell - 1) if told.startswith("<") else (0, np.inf)


def _end(goal, known):
    found = milp(goal, constraints=known, integrality=np.ones(len(goal)), bounds=Bounds(0, np.inf))
    assert found.status == 0, found.message
    return found.x


@pytest.mark.parametrize("seed", [0, 1, 2, 3, 6, 7, 9, 11])
def test_all_tables_together_tell_no_small_count(seed):
    n, min_cell = (60, 90, 150, 240)[seed % 4], (3, 5, 10)[seed % 3]
    assert small_told(people(n, seed), min_cell) == {}


def small_told(table, min_cell):
    """Small counts that the protected tables of these patients give away together."""
    shown = {name: small_counts.protect(name, whole, min_cell) for name, whole in whole_tables(table).items()}
    found = given_away(shown, min_cell, atoms_of(table))
    return {whose: count for whose, count in found.items() if 0 < count < min_cell}


@pytest.fixture
def tiny(finished):
    """The patients of the tiny study, with what its tables count."""
    quality = finished.read("preprocessing")[["patient_id", "status"]]
    table = finished.read("cohort").merge(quality, on="patient_id")
    ages = pd.cut(table["age"], [0, 60, 70, 200], right=False, labels=KINDS["age"]).astype(str)
    return table.assign(age=ages)


def test_the_tables_here_are_those_that_the_chapters_write(finished, tiny):
    """Nothing is hidden in the tiny study, so that they can be compared."""
    for name, keys, counted in (
        ("rad_score", ["cohort"], ["n"]),
        ("scanners", ["cohort", "scanner"], ["patients"]),
        ("preprocessing_summary", ["cohort"], ["patients", "ok", "warned", "refused"]),
        ("strict_subgroups", ["cohort", "characteristic", "group"], ["n", "events"]),
    ):
        ours, theirs = whole_tables(tiny)[name], finished.read_table(name)
        known = theirs.groupby(keys)[counted].sum()
        mine = ours.groupby(keys)[counted].sum()
        pd.testing.assert_frame_equal(mine, known.loc[mine.index], check_dtype=False)
        assert mine.to_numpy().sum() == known.to_numpy().sum()


@pytest.mark.parametrize("min_cell", [3, 7])
def test_the_tiny_study_s_tables_together_tell_no_small_count(tiny, min_cell):
    assert small_told(tiny, min_cell) == {}


def test_the_attack_finds_a_count_that_one_table_gives_away():
    """Who hides a number in one table only hides nothing."""
    table = people(150, 3)
    whole = whole_tables(table)
    shown = {name: small_counts.protect(name, table, 10) for name, table in whole.items()}
    shown["scanners"] = whole["scanners"]
    assert given_away(shown, 10, atoms_of(table))
