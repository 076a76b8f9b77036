"""The audit finds what is known of this paper, passes a paper made from patients, and finds planted slips.

Independent references: raw patients, simulated here, from whom the printed numbers are computed; statsmodels.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency, mannwhitneyu
from statsmodels.stats.contingency_tables import Table2x2

from helpers.errors import StudyError
from helpers.evaluation.cutoffs import PROPORTIONS, confusion_metrics
from helpers.evaluation.delong import delong_auc, delong_test, placement_values
from helpers.paper import audit, clinical, performance, publication
from helpers.paper.baseline import count_odds_ratio, pooled
from helpers.paper.clinical import entropy_law
from helpers.paper.performance import hanley_mcneil_se, matched_proportions
from helpers.paper.printed import Printed, compare, read_reported, recompute
from helpers.paper.reported import REPORTED_VALUES
from helpers.plots.audit import plot_clinical_aucs, plot_confusion_grids
from helpers.study.places import REPOSITORY

DESIGN = REPOSITORY / "data" / "paper" / "design.yml"
COLUMNS = ["item", "cohort", "subject", "metric", "value", "ci_low", "ci_high"]


@pytest.fixture(scope="module")
def checks() -> pd.DataFrame:
    paper = publication.read_publication(REPORTED_VALUES, DESIGN)
    simulated = clinical.simulate_clinical_aucs(paper, np.random.default_rng(7), 200)
    return audit.audit(paper, simulated)


def found(checks: pd.DataFrame, check: str, where: str) -> pd.Series:
    rows = checks[(checks["check"] == check) & (checks["where"] == where)]
    assert len(rows) == 1
    return rows.iloc[0]


@pytest.mark.parametrize(
    ("check", "rows"),
    [
        ("confusion matrices in whole patients", 27),
        ("DeLong Z to P", 9),
        ("width of AUC intervals", 36),
        ("logarithm of lambda", 1),
        ("number of features", 5),
        ("sums of patients", 26),
    ],
)
def test_what_is_known_to_hold_holds(checks, check, rows):
    part = checks[checks["check"] == check]
    assert len(part) == rows
    assert (part["verdict"] == "consistent").all()


@pytest.mark.parametrize(
    ("check", "where", "recomputed"),
    [
        ("odds ratios", "Table 2: training, sex", "0.300"),
        ("pooled means and SDs", "Text 2.1: external, cohort", "61.759"),
        ("pooled means and SDs", "Discussion: all, cohort", "61.9"),
        ("percentages", "Discussion: all, cohort", "35.8"),
        ("P values of patients' characteristics", "Discussion: all, prevalence", "P = 0.002"),
        ("one value in every place", "external, LR, AUC", ""),
        ("one value in every place", "external, clinical, AUC", ""),
        ("one value in every place", "external, nomogram, AUC", ""),
        ("one value in every place", "internal, radiomics vs clinical, DeLong P", ""),
        ("one value in every place", "external, nomogram vs radiomics, DeLong P", ""),
    ],
)
def test_what_is_known_not_to_follow_is_found(checks, check, where, recomputed):
    rows = checks[(checks["check"] == check) & (checks["where"] == where)]
    rows = rows[rows["verdict"] == "inconsistent"]
    assert len(rows) == 1
    assert rows["recomputed"].iloc[0].startswith(recomputed)


def test_nothing_else_is_called_inconsistent(checks):
    # The ten above, and the interval of Text 3.4 that is not around its AUC.
    assert (checks["verdict"] == "inconsistent").sum() == 11
    assert (
        found(checks, "symmetry of AUC intervals", "Text 3.4: external, nomogram")["verdict"]
        == "inconsistent"
    )


def test_the_text_takes_the_interval_of_another_set(checks):
    sentence = found(checks, "one value in every place", "external, clinical, AUC")["sentence"]
    assert sentence == (
        "Table 5 prints 0.765 (0.701 to 0.829); Text 3.4: 0.746 (0.667 to 0.824), "
        "with the interval of internal."
    )


def test_what_cannot_be_told_is_said_to_be_so(checks):
    undecided = checks[checks["verdict"] == "cannot be checked"]
    assert set(undecided["check"]) == {
        "mean and SD within the range",
        "events a feature",
        "choice of the model",
        "clinical AUC by simulation",
    }
    clinical_auc = undecided[undecided["check"] == "clinical AUC by simulation"]
    assert clinical_auc["where"].tolist() == ["Table 5: external, clinical"]
    assert "unlikely" in clinical_auc["sentence"].iloc[0]
    assert "5.36" in undecided["recomputed"].tolist()


def test_standard_errors_of_the_tables_lie_where_they_were_found():
    intervals = performance.auc_intervals(publication.read_publication(REPORTED_VALUES, DESIGN))
    ratio = intervals.loc[intervals["item"].str.startswith("Table"), "ratio"]
    assert ratio.agg(["min", "max"]).round(2).tolist() == [0.62, 1.09]


def test_the_doubtful_clinical_auc_is_said_in_a_sentence():
    paper = publication.read_publication(REPORTED_VALUES, DESIGN)
    simulated = clinical.simulate_clinical_aucs(paper, np.random.default_rng(7), 200)
    said = clinical.clinical_in_words(paper, simulated)
    assert "0.765 in the external set is unlikely to follow" in said and "training" not in said
    assert clinical.clinical_in_words(paper, simulated[:0]) == ""


def test_simulated_clinical_aucs_are_those_found_before():
    paper = publication.read_publication(REPORTED_VALUES, DESIGN)
    simulated = clinical.simulate_clinical_aucs(paper, np.random.default_rng(1), 200)
    plain = simulated[simulated["correlation"] == 0].groupby("cohort")["auc"]
    assert plain.median().round(2).loc["external"] == 0.85
    assert plain.median().loc[["training", "internal"]].tolist() == pytest.approx([0.75, 0.74], abs=0.01)
    again = clinical.simulate_clinical_aucs(paper, np.random.default_rng(1), 200)
    pd.testing.assert_frame_equal(simulated, again)


def test_a_paper_that_prints_little_has_its_checks_and_figures(tmp_path):
    rows = [["Table 2", "test", "ill", "n", "40"], ["Table 2", "test", "well", "n", "60"]]
    rows += [["Table 3", "test", "CNN", "auc", "0.86", "0.79", "0.93"]]
    rows += [["Abstract", "test", "CNN", "auc", "0.84"], ["Text", "all", "CNN", "auc", "0.80"]]
    rows += [["Discussion", "all", "CNN", "auc", "0.81"]]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(tmp_path / "numbers.csv", index=False)
    (tmp_path / "design.yml").write_text("cases: ill\ncontrols: well\nbaseline: Table 2\n")
    paper = publication.read_publication(tmp_path / "numbers.csv", tmp_path / "design.yml")
    simulated = clinical.simulate_clinical_aucs(paper, np.random.default_rng(1), 10)
    verdicts = audit.audit(paper, simulated).set_index("check")["verdict"]
    assert verdicts["width of AUC intervals"] == "consistent"
    assert verdicts["one value in every place"].tolist() == ["inconsistent", "rounding"]
    for figure in (plot_clinical_aucs(paper, simulated), plot_confusion_grids(paper)):
        assert figure.axes[0].texts[0].get_text()
        plt.close(figure)


def patients(rng: np.random.Generator, size: int) -> pd.DataFrame:
    age = rng.normal(62, 8, size).round().clip(45, 85)
    male = rng.random(size) < 0.4
    sick = rng.random(size) < 1 / (1 + np.exp(-0.08 * (age - 62) + 1.0 * male))
    score = sick + rng.normal(0, 1, size)
    return pd.DataFrame({"age": age, "male": male, "sick": sick.astype(int), "A": score}).assign(
        B=score + rng.normal(0, 1, size)
    )


def printed_rows(cohorts: dict[str, pd.DataFrame]) -> list[list[str]]:
    rows = []
    for cohort, people in cohorts.items():
        rows += [["Table 1", cohort, "cohort", "n", f"{len(people)}"]]
        for flag, group in people.groupby("sick"):
            name = "ill" if flag else "well"
            key = ["Table 1", cohort, name]
            rows += [[*key, "n", f"{len(group)}"], [*key, "male", f"{group['male'].sum()}"]]
            rows += [[*key, "female", f"{(~group['male']).sum()}"]]
            rows += [[*key, "male_percent", f"{100 * group['male'].mean():.1f}"]]
            rows += [[*key, "age_mean", f"{group['age'].mean():.2f}"]]
            rows += [[*key, "age_sd", f"{group['age'].std():.2f}"]]
        ages = [people.loc[people["sick"] == flag, "age"] for flag in (1, 0)]
        counts = pd.crosstab(people["male"], people["sick"])
        rows += [["Table 1", cohort, "age", "p_value", p_printed(mannwhitneyu(*ages).pvalue)]]
        p_value = chi2_contingency(counts, correction=False).pvalue
        rows += [["Table 1", cohort, "sex", "p_value", p_printed(p_value)]]
        rows += performance_rows(cohort, people)
    whole = pd.concat(cohorts.values())
    rows += [["Text", "all", "cohort", "n", f"{len(whole)}"]]
    rows += [["Text", "all", "cohort", "age_mean", f"{whole['age'].mean():.2f}"]]
    rows += [["Text", "all", "cohort", "age_sd", f"{whole['age'].std():.2f}"]]
    rows += [["Text", "all", "cohort", "age_min", f"{whole['age'].min():.0f}"]]
    rows += [["Text", "all", "cohort", "age_max", f"{whole['age'].max():.0f}"]]
    rows += [["Text", "all", "cohort", "prevalence_percent", f"{100 * whole['sick'].mean():.1f}"]]
    table = Table2x2(pd.crosstab(~cohorts["training"]["male"], 1 - cohorts["training"]["sick"]))
    limits = [f"{limit:.3f}" for limit in table.oddsratio_confint()]
    rows += [["Table 2", "training", "sex", "univariable_or", f"{table.oddsratio:.3f}", *limits]]
    rows += [
        ["Text", "training", "features", "extracted", "107"],
        ["Text", "training", "LASSO", "lambda", "0.020"],
    ]
    return rows + [["Text", "training", "LASSO", "ln_lambda", "-3.91"]]


def performance_rows(cohort: str, people: pd.DataFrame) -> list[list[str]]:
    rows = []
    for model in ("A", "B"):
        area = delong_auc(people["sick"], people[model])
        limits = [f"{area.ci_low:.3f}", f"{area.ci_high:.3f}"]
        rows += [["Table 3", cohort, model, "auc", f"{area.auc:.3f}", *limits]]
        rows += [["Abstract", cohort, model, "auc", f"{area.auc:.3f}"]]
        shares = confusion_metrics(people["sick"], people[model], 0.5)["estimate"]
        rows += [["Table 3", cohort, model, metric, f"{shares[metric]:.3f}"] for metric in PROPORTIONS]
    test = delong_test(people["sick"], people["A"], people["B"])
    rows += [["Text", cohort, "A vs B", "delong_z", f"{test.z:.3f}"]]
    return rows + [["Text", cohort, "A vs B", "delong_p", p_printed(test.p_value)]]


def p_printed(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


MADE = {
    "cases": "ill",
    "controls": "well",
    "baseline": "Table 1",
    "totals": {"all": ["training", "external"]},
    "categories": {"sex": ["male", "female"]},
    "features": {"shape": 14, "per_image": 93, "extracted": "extracted", "selected": "selected"},
}


@pytest.fixture(scope="module")
def made() -> list[list[str]]:
    rng = np.random.default_rng(5)
    return printed_rows({"training": patients(rng, 220), "external": patients(rng, 130)})


def judged(rows: list[list[str]], folder) -> pd.DataFrame:
    numbers, design = folder / "numbers.csv", folder / "design.yml"
    pd.DataFrame(rows, columns=COLUMNS).to_csv(numbers, index=False)
    design.write_text(yaml.safe_dump(MADE))
    paper = publication.read_publication(numbers, design)
    return audit.audit(paper, clinical.simulate_clinical_aucs(paper, np.random.default_rng(0)))


def test_a_paper_made_from_patients_is_consistent(made, tmp_path):
    rows = judged(made, tmp_path)
    assert set(rows["check"]) >= {"odds ratios", "DeLong P against AUCs", "mean and SD within the range"}
    assert (rows["verdict"] == "inconsistent").sum() == 0
    assert (rows["verdict"] == "consistent").mean() > 0.95


PLANTED = {
    "sums of patients": ("Table 1", "external", "ill", "male", lambda text: f"{int(text) + 1}"),
    "percentages": ("Table 1", "external", "ill", "male_percent", lambda text: f"{float(text) + 1:.1f}"),
    "pooled means and SDs": ("Text", "all", "cohort", "age_sd", lambda text: f"{float(text) + 0.5:.2f}"),
    "mean and SD within the range": ("Table 1", "training", "ill", "age_sd", lambda text: "25.00"),
    "P values of patients' characteristics": ("Table 1", "external", "sex", "p_value", lambda text: "0.987"),
    "odds ratios": ("Table 2", "training", "sex", "univariable_or", lambda text: f"{float(text) / 2:.3f}"),
    "confusion matrices in whole patients": ("Table 3", "external", "A", "ppv", lambda text: "0.911"),
    "DeLong Z to P": ("Text", "external", "A vs B", "delong_z", lambda text: "0.500"),
    "symmetry of AUC intervals": (
        "Table 3",
        "training",
        "B",
        "auc",
        lambda text: "0.777",
    ),
    "one value in every place": ("Abstract", "external", "A", "auc", lambda text: "0.612"),
    "number of features": ("Text", "training", "features", "extracted", lambda text: "108"),
    "logarithm of lambda": ("Text", "training", "LASSO", "ln_lambda", lambda text: "-3.51"),
    "AUC against its cut-off": ("Table 3", "external", "B", "auc", lambda text: "0.300"),
}


@pytest.mark.parametrize("check", PLANTED)
def test_a_planted_slip_is_found(made, tmp_path, check):
    *key, slip = PLANTED[check]
    rows = [[*row[:4], slip(row[4]), *row[5:]] if row[:4] == key else row for row in made]
    assert rows != made
    verdicts = judged(rows, tmp_path)
    assert "inconsistent" in verdicts.loc[verdicts["check"] == check, "verdict"].tolist()


@pytest.mark.parametrize(
    ("check", "factor"), [("width of AUC intervals", 0.3), ("DeLong P against AUCs", 0.15)]
)
def test_an_interval_of_many_more_patients_is_found(made, tmp_path, check, factor):
    rows = []
    for row in made:
        if row[0] == "Table 3" and row[3] == "auc":
            centre, low = float(row[4]), float(row[5])
            row = [
                *row[:5],
                f"{centre - factor * (centre - low):.3f}",
                f"{centre + factor * (centre - low):.3f}",
            ]
        rows.append(row)
    verdicts = judged(rows, tmp_path)
    assert "inconsistent" in verdicts.loc[verdicts["check"] == check, "verdict"].tolist()


def test_pooled_moments_are_those_of_all_patients():
    rng = np.random.default_rng(2)
    groups = [rng.normal(mean, 3, size) for mean, size in ((60, 12), (66, 31), (58, 7))]
    sizes, means, sds = zip(*((len(g), g.mean(), g.std(ddof=1)) for g in groups), strict=True)
    everyone = np.concatenate(groups)
    assert pooled(sizes, means, sds) == pytest.approx((everyone.mean(), everyone.std(ddof=1)), rel=1e-12)


def test_odds_ratio_equals_statsmodels():
    counts = np.array([[14, 80], [120, 206]])
    table = Table2x2(counts)
    assert count_odds_ratio(counts) == pytest.approx((table.oddsratio, *table.oddsratio_confint()), rel=1e-9)


def test_hanley_and_mcneils_formula_is_the_scatter_of_exponential_scores():
    rng = np.random.default_rng(3)
    outcome = np.repeat([1, 0], [40, 60])
    scores = rng.exponential(np.where(outcome == 1, 4.0, 1.0), (6000, 100))
    aucs = placement_values(outcome, scores)[0].mean(axis=1)
    assert hanley_mcneil_se(0.8, 40, 60) == pytest.approx(aucs.std(), rel=0.03)


@given(st.integers(3, 140), st.integers(3, 290), st.data())
@settings(max_examples=60, deadline=None)
def test_the_counts_behind_printed_proportions_are_always_among_the_solutions(cases, controls, data):
    tp, tn = data.draw(st.integers(1, cases)), data.draw(st.integers(1, controls))
    everyone = cases + controls
    shares = [tp / cases, tn / controls, (tp + tn) / everyone]
    shares += [tp / (tp + controls - tn), tn / (tn + cases - tp)]
    printed = [Printed.of(f"{share:.3f}", 3) for share in shares]
    assert matched_proportions(printed, cases, controls)[tp, tn] == 5


def test_the_law_of_ages_has_the_printed_moments():
    ages, chances = entropy_law(50, 85, 56.55, 10.64)
    assert (ages[0], ages[-1]) == (50, 85)
    assert ages @ chances == pytest.approx(56.55, abs=1e-4)
    assert np.sqrt((ages - 56.55) ** 2 @ chances) == pytest.approx(10.64, abs=1e-4)
    assert entropy_law(50, 52, 50.1, 10.0) is None


def test_a_number_stands_for_what_rounds_to_it():
    assert Printed.of("0.88", 3).text == "0.880"
    assert Printed.of("0.88", 3)[1:] == pytest.approx((0.88, 0.8795, 0.8805, 0.001))
    assert Printed.of("134", 0)[2:] == (134, 134, 0.0)
    assert Printed.of("<0.001", 3)[2:4] == (0.0, 0.001)
    assert Printed.of("~56", 0)[:4] == ("about 56", 56, 55.5, 56.5)


def test_lost_zeros_come_back_from_the_other_numbers_of_the_column():
    reported = read_reported(REPORTED_VALUES)
    assert reported.get("Table 3", "internal", "LR", "specificity").text == "0.770"
    assert reported.get("Table 1", "internal", "osteoporosis", "age_sd").text == "9.20"
    assert reported.get("Text 2.1", "development", "cohort", "age_sd").text == "8.9"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.8804, 0.8809, "consistent"), (0.881, 0.8814, "rounding"), (0.8817, 0.89, "inconsistent")],
)
def test_verdicts_follow_the_stated_distances(low, high, verdict):
    assert compare(Printed.of("0.880", 3), low, high) == verdict


def test_ranges_of_inputs_carry_over():
    middle = recompute(lambda low, high: (low + high) / 2, Printed.of("0.845", 3), Printed.of("0.915", 3))
    assert middle == pytest.approx((0.88, 0.8795, 0.8805))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("item,cohort,subject,metric,value,ci_low\n", "lacks the column 'ci_high'"),
        ("item,cohort,subject,metric,value,ci_low,ci_high\nT,a,b,auc,0.8x,,\n", "row 2: '0.8x'"),
        (
            "item,cohort,subject,metric,value,ci_low,ci_high\nT,a,b,auc,1,,\nT,a,b,auc,2,,\n",
            "two rows for T, a, b",
        ),
    ],
)
def test_a_faulty_csv_is_refused_in_words(tmp_path, content, message):
    (tmp_path / "numbers.csv").write_text(content)
    with pytest.raises(StudyError, match=message):
        read_reported(tmp_path / "numbers.csv")


def test_a_faulty_design_is_refused_in_words(tmp_path):
    (tmp_path / "design.yml").write_text("cases: ill\nbaselin: Table 1\n")
    with pytest.raises(StudyError, match="baselin: Extra inputs"):
        publication.read_publication(REPORTED_VALUES, tmp_path / "design.yml")
    with pytest.raises(StudyError, match="no design file"):
        publication.read_publication(REPORTED_VALUES, tmp_path / "absent.yml")
