"""Protects: who has two versions of a hospital's file, and subtracts, learns of no few patients.

The attacks take both files and nothing else. What is true is counted here from the patients themselves.
"""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import Bounds, LinearConstraint, milp
from shared_numbers import FEATURE, made_run, people_of
from typer.testing import CliRunner

from helpers import cli
from helpers.frozen.bundle import load_bundle
from helpers.pooling.described import Patients, described_hospital
from helpers.pooling.share import share_run, write_site
from helpers.pooling.versions import Versions

MIN_CELL = 10
LIMITS = (0.1, 0.2, 0.3, 0.4375, 0.5)  # the thresholds and the nomogram's cut-off
RISKS = ("clinical", "nomogram")


def population(seed, n=500):
    """A hospital's future patients; ages are whole years, as in most tables."""
    table = people_of("external", "Away", n, seed)
    sex = np.where(np.random.default_rng(seed).random(n) < 0.2, "male", "female")
    return table.assign(age=table["age"].round(), sex=sex)


def patients(table):
    predictions = table.melt(["patient_id", "cohort", "outcome"], RISKS, "model", "probability")
    features = table[["patient_id"]].assign(**{FEATURE: table["hu"] * 30 + 128})
    return Patients(predictions, table[["patient_id", "age", "sex"]], features, None)


def flow_of(table, screened):
    rows = [("", "screened", "", screened, None), ("", "excluded", "young", screened - len(table), None)]
    rows.append(("", "external", "", len(table), table["outcome"].sum()))
    return pd.DataFrame(rows, columns=["site", "stage", "reason", "patients", "outcome"])


def written(run, table, screened=None):
    """What a run shares of these patients; None where it withholds its file."""
    bundle, whose = load_bundle(run.bundle), patients(table)
    part = described_hospital(bundle, whose, run.study.min_cell, "Away", "external")
    flow = flow_of(table, screened or len(table) + 40)
    return write_site(run, bundle, "run", [part], [whose], flow)


def sent(run, table, screened=None):
    """The same, sent."""
    site = written(run, table, screened)
    Versions(run).put_down(site, (run.folder / "share" / "site.json").read_bytes())
    return site


@pytest.fixture
def run(tmp_path):
    return made_run(tmp_path)


def test_one_more_patient_would_be_told_in_full_and_the_file_is_withheld(run):
    """The attack: means times patients, subtracted, are the newcomer's age, sex, feature and outcome."""
    table = population(1)
    first, second = written(run, table[:200]), written(run, table[:201])
    (one,), (other,) = first.hospitals, second.hospitals
    newcomer = table.iloc[200]
    told = other.patients * other.features[FEATURE].mean - one.patients * one.features[FEATURE].mean
    assert told == pytest.approx(newcomer["hu"] * 30 + 128, rel=1e-3)
    age = other.patients * other.predictors["age"].mean - one.patients * one.predictors["age"].mean
    assert age == pytest.approx(newcomer["age"], abs=4)
    assert other.events - one.events == newcomer["outcome"]
    sent(run, table[:200])
    assert written(run, table[:201]) is None
    assert not (run.folder / "share" / "site.json").exists()
    page = (run.folder / "share" / "README").read_text(encoding="utf-8")
    assert "was not written" in page and "wait until at least 10 patients" in page and "未写出" in page


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.assign(age=table["age"].where(table.index != 7, 99.0)),
        lambda table: table.assign(outcome=table["outcome"].where(table.index > 2, 1 - table["outcome"])),
        lambda table: table.assign(hu=table["hu"].where(table.index > 8, table["hu"] + 1)),
        lambda table: table.assign(nomogram=table["nomogram"].where(table.index > 8, 0.9)),
        lambda table: table.drop(index=range(9)),
    ],
)
def test_few_corrections_are_no_other_version(run, change):
    """Nobody came, so no count need differ: a mean less the earlier mean tells the corrections."""
    table = population(2)[:200].reset_index(drop=True)
    sent(run, table)
    assert written(run, change(table)) is None
    assert written(run, table) is not None  # what was sent may be sent again


def changed(before, now):
    """How many came or went, with and without the outcome."""
    ids = set(before["patient_id"]) ^ set(now["patient_id"])
    both = pd.concat([before, now]).drop_duplicates("patient_id").set_index("patient_id").loc[sorted(ids)]
    return [int((both["outcome"] == one).sum()) for one in (0, 1)]


@pytest.mark.parametrize("seed", range(16))
def test_two_versions_together_tell_of_no_few_patients(run, seed):
    """Some come and some go; what is written is attacked by subtraction and in whole numbers."""
    rng = np.random.default_rng(seed)
    table = population(seed).sample(frac=1, random_state=seed)
    came, went = rng.choice([0, 3, 12, 40, 110], 2, p=[0.1, 0.2, 0.2, 0.25, 0.25])
    before, now = table[:250], table[went : 250 + came]
    screened = len(now) + 40 + int(rng.choice([0, 2, 15]))
    first = sent(run, before, len(before) + 40)
    second = written(run, now, screened)
    few = any(0 < count < MIN_CELL for count in [*changed(before, now), came + went])
    assert (second is None) == few
    if few:
        return
    one, other = (json.loads(site.model_dump_json()) for site in (first, second))
    if went:  # the difference of two totals is that of those who came and those who went: nobody's number
        for part in (*one["hospitals"], *other["hospitals"]):
            del part["patients"], part["events"], part["described"]
    gaps = [abs(a - b) for a, b in counts_of_both(one, other)]
    assert not [gap for gap in gaps if 0 < gap < MIN_CELL]
    if not went:
        newcomers = now[~now["patient_id"].isin(before["patient_id"])]
        assert few_newcomers_told(one["hospitals"][0], other["hospitals"][0], newcomers) == {}


def counts_of_both(one, other):
    """Every pair of whole numbers that stands at the same place of two files."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in one.keys() & other.keys() - {"version", "min_cell"}:
            yield from counts_of_both(one[name], other[name])
    elif isinstance(one, list) and isinstance(other, list):
        for pair in zip(one, other, strict=False):
            yield from counts_of_both(*pair)
    elif isinstance(one, int) and isinstance(other, int):
        yield one, other


def solved(benefit, n, events):
    """True and false positives behind a net benefit and its variance, where only one pair fits."""
    if isinstance(benefit["net_benefit"], str):
        return None
    odds = benefit["threshold"] / (1 - benefit["threshold"])
    tp = np.arange(events + 1)
    fp = (tp / n - benefit["net_benefit"]) / odds * n
    spread = (tp + fp * odds**2) / n - benefit["net_benefit"] ** 2
    fits = (np.abs(fp - fp.round()) < 1e-6) & (fp > -0.5) & (fp < n - events + 0.5)
    fits &= np.abs(spread - benefit["variance"] * n) < 1e-9
    found = [(int(a), int(b.round())) for a, b in zip(tp[fits], fp[fits], strict=True)]
    return found[0] if len(found) == 1 else None


def known(hospital):
    """What one file tells, by who is counted: (model, outcome, threshold) or (sex,)."""
    n, events = hospital["patients"], hospital["events"]
    told = {("outcome", 1): events, ("outcome", 0): n - events}
    told |= {("sex", name): count for name, count in hospital["predictors"]["sex"].items()}
    for model in RISKS:
        part = hospital["models"][model]
        for benefit in part["net_benefit"]:
            pair = solved(benefit, n, events) or (None, None)
            told |= {(model, 1, benefit["threshold"]): pair[0], (model, 0, benefit["threshold"]): pair[1]}
        for outcome, cell in ((1, "true_positive"), (0, "false_positive")):
            told[(model, outcome, part["confusion"]["cutoff"])] = part["confusion"][cell]
    return {whose: count for whose, count in told.items() if isinstance(count, int)}


def few_newcomers_told(one, other, newcomers):
    """Counts of 1 to 9 newcomers that only one number fits, by everything that both files tell of them.

    Newcomers are divided by outcome, sex and the nomogram's thresholds; nobody went.
    """
    limits = (*LIMITS, np.inf)
    kinds = [(y, sex, place) for y in (0, 1) for sex in ("female", "male") for place in range(len(limits))]

    def row(whose):
        if whose[0] in ("outcome", "sex"):
            return [float(whose[1] in kind[:2]) for kind in kinds]
        return [float(kind[0] == whose[1] and limits[kind[2]] > whose[2]) for kind in kinds]

    first, second = known(one), known(other)
    shared = [whose for whose in first.keys() & second.keys() if whose[0] != "clinical"]
    gaps = [second[whose] - first[whose] for whose in shared]
    rules = LinearConstraint(np.array([row(whose) for whose in shared]), gaps, gaps)
    told = {}
    asked = [("sex", "male"), ("sex", "female"), *(("nomogram", y, t) for y in (0, 1) for t in LIMITS)]
    for whose in asked:
        goal = np.array(row(whose))
        ends = [
            milp(sign * goal, constraints=rules, integrality=np.ones(len(goal)), bounds=Bounds(0, np.inf))
            for sign in (1, -1)
        ]
        assert all(end.success for end in ends), "the files contradict the patients"
        low, high = round(ends[0].fun), round(-ends[1].fun)
        truth = counted(newcomers, whose)
        assert low <= truth <= high
        if low == high and 0 < low < MIN_CELL:
            told[whose] = low
    return told


def counted(newcomers, whose):
    if whose[0] == "sex":
        return int((newcomers["sex"] == whose[1]).sum())
    return int(((newcomers["nomogram"] >= whose[2]) & (newcomers["outcome"] == whose[1])).sum())


def test_the_attack_finds_newcomers_in_files_that_do_not_know_of_each_other(tmp_path):
    """Who does not compare with the version that was sent tells of three men, and of few at a threshold."""
    run, found = made_run(tmp_path), {}
    for seed in range(4):
        table = population(seed)
        first, second = written(run, table[:250]), written(run, table[:275])
        one, other = (json.loads(site.model_dump_json())["hospitals"][0] for site in (first, second))
        found |= few_newcomers_told(one, other, table[250:275])
    assert ("sex", "male") in found and any(whose[0] == "nomogram" for whose in found)


def test_another_model_hides_no_newcomer(run):
    """A model that was made anew gives everybody other risks; ages and sexes are the same."""
    table = population(3)
    sent(run, table[:200])
    assert written(run, table[:201].assign(clinical=0.3, nomogram=0.4)) is None


def test_of_versions_that_were_never_sent_nothing_is_asked(run):
    table = population(4)
    for last in (200, 201, 203):
        assert written(run, table[:last]) is not None
    assert len(list((run.private / "sent").iterdir())) == 1


def test_the_search_before_sending_puts_the_version_down_and_holds_the_next_one_back(run):
    """From the command's side: sent once, then a patient is corrected and the chapter runs again."""
    record = {"study_file": str(run.study.file), "updated": "2026-04-28", "versions": {}, "notebooks": {}}
    (run.folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    asked = ["share-check", str(run.folder / "share")]
    share_run(run)
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0 and "beside 0 earlier version(s), and is put down as sent" in done.output
    assert CliRunner().invoke(cli.app, asked).exit_code == 0  # once more
    people = run.read("cohort")
    people.loc[people["cohort"] == "external", "age"] += np.arange(160) == 3
    run.write("cohort", people)
    assert share_run(run) is None
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 1 and "is withheld" in done.output and "Wait until" in done.output
