"""Inclusion, split, Figure 1 and Table 1."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from reference_values import expected as expected_in_r

from helpers.errors import KINDS, StudyError
from helpers.paper.reported import table_1_beside
from helpers.patients import flow_chart, table_1
from helpers.patients.cohort import (
    apply_inclusion,
    assign_cohorts,
    draw_second_reader,
    has_second_reading,
    outcome_by_rule,
)
from helpers.plots.patients import plot_ages, plot_flow_chart
from helpers.study.number_texts import p_text
from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import pseudonyms
from helpers.study.run_folder import Run
from helpers.study.small_counts import protect
from helpers.study.study_file import Study


def study(**changes) -> Study:
    protocol = {"protocol": "../virtual/protocol.yml", "patients": 24}
    sites = [
        {"name": "A", "role": "development", "virtual": protocol},
        {"name": "B", "role": "external", "virtual": protocol},
    ]
    content = {"name": "t", "title": "t", "seed": 1, "extraction": "x.yml", "sites": sites}
    return Study(**(content | changes), file=REPOSITORY / "data" / "studies" / "study.yml")


def people(n: int = 60) -> pd.DataFrame:
    """Two sites, a third with osteoporosis, every sixth a man."""
    number = np.arange(n)
    return pd.DataFrame(
        {
            "patient_id": [f"P{i}" for i in number],
            "site": np.where(number < n * 2 // 3, "A", "B"),
            "age": 50.0 + number % 30,
            "sex": np.where(number % 6 == 0, "male", "female"),
            "t_score": np.where(number % 3 == 0, -3.0, -1.0),
            "interval_days": 5.0,
            "exclusion": "",
        }
    )


def test_inclusion_rules_at_their_limits():
    screened = people(6).assign(
        age=[49, 50, 60, 60, 49, 60],
        interval_days=[5, 29, 30, np.nan, 40, 40],
        exclusion=["", "", "", "", "", "fracture"],
    )
    reasons = apply_inclusion(screened, study())["exclusion"].tolist()
    assert reasons == [
        "younger than 50 years",
        "",
        "CT and DXA 30 days apart or more",
        "days between CT and DXA unknown",
        "CT and DXA 30 days apart or more",
        "fracture",
    ]


def test_a_table_without_intervals_excludes_nobody_for_them():
    screened = apply_inclusion(people().drop(columns="interval_days"), study())
    assert (screened["exclusion"] == "").all()


def test_a_hospital_that_records_no_intervals_keeps_its_patients_beside_one_that_does():
    screened = people()
    partner = screened["site"] == "B"
    screened["interval_days"] = screened["interval_days"].where(~partner)
    reasons = apply_inclusion(screened, study())["exclusion"]
    assert partner.any()
    assert (reasons[partner] == "").all()


def test_split_is_stratified_complete_and_repeatable():
    split = [assign_cohorts(people(300), study(), 0.7, np.random.default_rng(3)) for _ in range(2)]
    pd.testing.assert_frame_equal(*split)
    home = split[0][split[0]["site"] == "A"]
    shares = home.groupby("outcome")["cohort"].apply(lambda cohorts: (cohorts == "training").mean())
    assert shares.to_numpy() == pytest.approx(0.7, abs=0.01)
    assert set(split[0].loc[split[0]["site"] == "B", "cohort"]) == {"external"}


def several(**changes) -> Study:
    """A develops; Z and B are external."""
    files = {"table": {"path": "t.csv"}, "features": {"path": "f.csv"}}
    sites = [{"name": name, "role": "external"} | files for name in "AZB"]
    return study(sites=[sites[0] | {"role": "development"}, *sites[1:]], **changes)


def three_sites(n: int = 90) -> pd.DataFrame:
    return people(n).assign(site=np.repeat(list("AZB"), n // 3))


def test_of_several_external_sites_each_is_a_cohort_of_its_own():
    cohort = assign_cohorts(three_sites(), several(), 0.7, np.random.default_rng(1))
    counts = cohort.groupby(["site", "cohort"]).size()
    assert counts.loc[["Z", "B"]].to_dict() == {("Z", "external: Z"): 30, ("B", "external: B"): 30}
    titles = [title for title, _ in table_1.by_cohort(cohort)]
    assert titles == ["training", "internal", "external: Z", "external: B"]
    flow = flow_chart.flow_chart(three_sites(), cohort)
    assert flow.loc[flow["site"] == "Z", "stage"].tolist() == ["screened", "included", "external: Z"]
    texts = [text.get_text() for axis in plot_flow_chart(flow, "osteoporosis").axes for text in axis.texts]
    assert any(" ".join(text.split()).startswith("External validation: B: 30") for text in texts)
    figure = plot_ages(cohort, {0: "No", 1: "Yes"})
    assert [axis.get_title().split("\n")[-1] for axis in figure.axes[2:]] == ["Z (n = 30)", "B (n = 30)"]
    plt.close("all")


def test_one_of_several_external_sites_without_cases_is_named():
    healthy = three_sites()
    healthy.loc[healthy["site"] == "B", "t_score"] = -1.0
    with pytest.raises(StudyError, match="external validation: b has 0 patients with osteoporosis"):
        assign_cohorts(healthy, several(), 0.7, np.random.default_rng(1))


def test_split_by_site_pools_all_patients_and_splits_them():
    pooled = study(
        split={"by": "site"},
        sites=[{"name": name, "table": {"path": "t"}, "features": {"path": "f"}} for name in "AZB"],
    )
    cohort = assign_cohorts(three_sites(), pooled, 0.7, np.random.default_rng(1))
    assert set(cohort["cohort"]) == {"training", "internal"}
    assert (cohort["cohort"] == "training").mean() == pytest.approx(0.7, abs=0.02)
    assert pd.crosstab(cohort["site"], cohort["cohort"]).min(axis=None) > 0


def test_the_hospitals_own_allocation_is_followed():
    own = np.where(np.arange(60) % 4 < 2, "training", "internal")
    cohort = assign_cohorts(people().assign(allocation=own), study(), 0.7, np.random.default_rng(1))
    home = cohort["site"] == "A"
    assert cohort.loc[home, "cohort"].tolist() == own[:40].tolist()


def test_an_incomplete_allocation_is_not_followed():
    own = np.where(np.arange(60) == 3, "", "training")
    cohort = assign_cohorts(people().assign(allocation=own), study(), 0.7, np.random.default_rng(1))
    assert (cohort["cohort"] == "internal").sum() == 12


def test_the_outcome_follows_the_study_file():
    screened = people()
    screened.loc[screened["t_score"] == -3.0, "t_score"] = -2.5
    cohort = assign_cohorts(screened, study(), 0.7, np.random.default_rng(1))
    assert cohort["outcome"].sum() == 20
    with pytest.raises(StudyError, match="0 patients with osteoporosis"):
        strict = study(outcome={"t_score_at_most": -4.0})
        assign_cohorts(screened, strict, 0.7, np.random.default_rng(1))


def test_a_given_outcome_needs_no_t_score():
    given = people().drop(columns="t_score").assign(outcome=np.arange(60) % 4 == 0)
    ready = study(outcome={"given": True})
    cohort = assign_cohorts(given, ready, 0.7, np.random.default_rng(1))
    assert cohort["outcome"].sum() == 15
    assert "hospital's table" in ready.outcome.in_words
    assert "at or below -2.5" in study().outcome.in_words


def test_without_outcomes_they_are_missing_not_negative():
    assert outcome_by_rule(people().drop(columns="t_score"), study()).isna().all()
    some = people().assign(t_score=[np.nan, -2.5, -2.4] * 20)
    assert outcome_by_rule(some, study()).tolist()[:3] == [pd.NA, 1, 0]


def test_second_reader_sees_training_cases_only():
    cohort = assign_cohorts(people(), study(), 0.7, np.random.default_rng(1))
    for asked, drawn in ((10, 10), (500, 28)):
        marked = draw_second_reader(cohort, asked, np.random.default_rng(1))
        assert marked.sum() == drawn
        assert set(cohort.loc[marked, "cohort"]) == {"training"}


def test_only_cases_that_a_second_reader_has_drawn_can_be_marked(tmp_path):
    files = {"table": {"path": "x.csv"}, "images": "ct/{patient_id}.mha", "masks": "roi/{patient_id}.mha"}
    site = {"name": "A", "role": "development", **files, "second_reader": "roi2/{patient_id}.mha"}
    own = study(sites=[site]).model_copy(update={"file": tmp_path / "study.yml"})
    run = Run(study=own, folder=tmp_path / "run")
    (tmp_path / "roi2").mkdir()
    (tmp_path / "roi2" / "b.mha").touch()
    cohort = pd.DataFrame({"patient_id": pseudonyms(run, "A", ["a", "b"]), "site": "A"})
    assert has_second_reading(cohort, run).tolist() == [False, True]


def test_flow_chart_adds_up():
    screened = people()
    screened.loc[[1, 2, 50], "exclusion"] = ["fracture", "metal", "metal"]
    cohort = assign_cohorts(screened, study(), 0.7, np.random.default_rng(1))
    flow = flow_chart.flow_chart(screened, cohort)
    for _, part in flow.groupby("site"):
        count = part.groupby("stage")["patients"].sum()
        assert count["screened"] == count["excluded"] + count["included"]
        assert count["included"] == count.reindex(["training", "internal", "external"]).sum()
    assert flow.loc[flow["stage"] == "included", "outcome"].sum() == cohort["outcome"].sum()
    plt.close(plot_flow_chart(flow, "osteoporosis"))


@pytest.fixture
def dropouts():
    """Who was screened, the cohort, quality control and features: 12 refused for images, 1 for features."""
    screened = people()
    cohort = assign_cohorts(screened, study(), 0.7, np.random.default_rng(1))
    kinds = ["mask"] * 9 + ["missing file"] * 3
    quality = cohort[["patient_id"]].assign(status="ok", kind="")
    quality.loc[quality.index[:12], ["status", "kind"]] = [["refused", kind] for kind in kinds]
    return screened, cohort, quality, cohort[["patient_id"]].iloc[13:]


def test_flow_chart_follows_patients_to_the_analysis(dropouts):
    screened, cohort, quality, features = dropouts
    unusable = flow_chart.unusable_patients(cohort, features, quality)
    flow = flow_chart.flow_chart(screened, cohort, unusable)
    lost = flow[flow["stage"] == "unusable"].groupby("reason")["patients"].sum().to_dict()
    assert lost == {"mask unusable": 9, "image or mask missing": 3, "features cannot be computed": 1}
    for _, part in flow.groupby("site"):
        count = part.groupby("stage")["patients"].sum()
        assert count["included"] == count.get("unusable", 0) + count["analysed"]
        assert count["analysed"] == count.reindex(["training", "internal", "external"]).sum()
    assert flow.loc[flow["stage"] == "analysed", "patients"].sum() == len(features)
    plt.close(plot_flow_chart(flow, "osteoporosis"))


def test_a_flow_chart_counts_whom_the_hospital_has_let_in_among_the_analysed(dropouts):
    screened, cohort, quality, features = dropouts
    unusable = flow_chart.unusable_patients(cohort, features, quality)
    home = set(cohort.loc[cohort["site"] == cohort["site"].iloc[0], "patient_id"])
    stayed = [patient for patient in features["patient_id"] if patient in home]
    lost = unusable["patient_id"].tolist()[:1]
    flow = flow_chart.flow_chart(screened, cohort, unusable, accepted=[*stayed[:2], *lost])
    let_in = flow.loc[flow["stage"] == flow_chart.LET_IN]
    assert let_in["patients"].tolist() == [2]
    figure = plot_flow_chart(flow, "osteoporosis")
    words = " ".join(text.get_text() for axis in figure.axes for text in axis.texts)
    assert "let in against a rule: 2" in words
    plt.close(figure)


def test_rare_reasons_are_taken_together(dropouts):
    screened, cohort, quality, features = dropouts
    screened.loc[cohort.index[-12:], "exclusion"] = ["seen by a named colleague", *["fracture"] * 11]
    flow = flow_chart.flow_chart(
        screened, cohort, flow_chart.unusable_patients(cohort, features, quality), min_cell=5
    )
    reasons = flow.loc[flow["reason"] != "", ["reason", "patients"]].to_numpy().tolist()
    assert ["fracture", 11] in reasons and ["other reasons", 1] in reasons
    assert ["mask unusable", 9] in reasons and ["other reasons", 4] in reasons
    assert not any("colleague" in reason for reason, _ in reasons)


def test_a_flow_chart_with_hidden_counts_is_drawn(dropouts):
    screened, cohort, quality, features = dropouts
    unusable = flow_chart.unusable_patients(cohort, features, quality)
    shown = protect("flow_chart", flow_chart.flow_chart(screened, cohort, unusable, 5), 5)
    figure = plot_flow_chart(shown, "osteoporosis")
    texts = [text.get_text() for axis in figure.axes for text in axis.texts]
    assert any("other reasons: <5" in text for text in texts)
    plt.close(figure)


def test_ready_features_lose_those_who_are_not_in_the_table(dropouts):
    _, cohort, _, features = dropouts
    assert set(flow_chart.unusable_patients(cohort, features, None)["reason"]) == {
        "no features in the feature table"
    }


def test_every_kind_of_refusal_has_a_category_that_names_nobody():
    stops_the_study_instead = {"table", "setting"}
    assert set(flow_chart.CATEGORIES) == set(KINDS) - stops_the_study_instead
    assert len(set(flow_chart.CATEGORIES.values())) == len(flow_chart.CATEGORIES)


@pytest.fixture
def as_printed() -> pd.DataFrame:
    """Patients with the sexes of the paper's internal validation set."""
    sexes = np.repeat(["male", "female", "male", "female"], [8, 50, 38, 84])
    outcome = np.repeat([1, 1, 0, 0], [8, 50, 38, 84])
    age = np.random.default_rng(1).integers(50, 82, 180)
    return pd.DataFrame({"cohort": "internal", "outcome": outcome, "sex": sexes, "age": age.astype(float)})


def test_table_1_gives_the_papers_p_for_sex(as_printed):
    table = table_1.table_1(as_printed, ["age", "sex"])
    table = table.assign(paper=table_1_beside(table)).set_index(["subject", "metric"])
    assert p_text(table.loc[("sex", "p_value"), "value"]) == "0.013"
    assert table.loc[("sex", "p_value"), "paper"] == "0.013"
    assert table.loc[("osteoporosis", "male"), "value"] == 8
    printed = table_1.printed_table_1(table.reset_index())
    row = printed.loc[("Internal validation", "male, n (%)")]
    assert row[("osteoporosis", "computed")] == row[("osteoporosis", "paper")] == "8 (13.79%)"


@pytest.mark.parametrize("name", expected_in_r("chi_square_fisher"))
def test_categories_equal_r(name):
    """Low birth weight: chisq.test(correct = FALSE), or fisher.test where 2 x 2 cells expect below 5."""
    row = expected_in_r("chi_square_fisher")[name]
    counts = row["table"]["counts"]
    cells = [(i, j) for i, line in enumerate(counts) for j, n in enumerate(line) for _ in range(n)]
    values, groups = (pd.Series(part) for part in zip(*cells, strict=True))
    small = row["min_expected"] < 5 and (len(counts), len(counts[0])) == (2, 2)
    expected = row["fisher_p"] if small else row["p_no_correction"]
    assert table_1.categories_p(values, groups) == pytest.approx(expected, rel=1e-9)


def test_standardised_mean_difference_by_hand():
    first, second = pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 4.0, 6.0])
    assert table_1.smd(first, second) == pytest.approx(-2 / np.sqrt((1 + 4) / 2))
    assert table_1.smd(first > 1.5, first > 2.5) == pytest.approx((1 / 3) / np.sqrt(2 / 9))
    assert np.isnan(table_1.smd(first > 9, second > 9))


def test_table_1_needs_no_predictors():
    cohort = assign_cohorts(people(), study(predictors=[]), 0.7, np.random.default_rng(1))
    assert set(table_1.table_1(cohort, [])["characteristic"]) == {"patients", "age", "sex"}
    assert table_1.compare_cohorts(cohort, [])["characteristic"].nunique() == 3


def test_table_1_stands_a_tiny_cohort_and_other_predictors():
    screened = people(24).assign(sex="female", bmi=np.linspace(18, 34, 24), steroids=["yes", "no"] * 12)
    chosen = study(predictors=["age", "bmi", "steroids"])
    cohort = assign_cohorts(screened, chosen, 0.7, np.random.default_rng(1))
    table = table_1.table_1(cohort, chosen.predictors)
    assert table.query("subject == 'sex' and metric == 'p_value'")["value"].isna().all()
    assert {"bmi_mean", "steroids=yes"} <= set(table["metric"])
    printed = table_1.printed_table_1(table.assign(paper=table_1_beside(table)))
    assert printed.notna().all().all()
    alone = table_1.printed_table_1(table)
    assert alone.columns.tolist() == ["osteoporosis", "non-osteoporosis", "P", "SMD"]
    assert alone.equals(printed.xs("computed", axis=1, level=1))
    beside = table_1.compare_cohorts(cohort, chosen.predictors)
    titles = [
        "age, mean ± SD",
        "female, n (%)",
        "bmi, mean ± SD",
        "steroids=yes, n (%)",
        "osteoporosis, n (%)",
    ]
    assert beside["characteristic"].unique().tolist() == titles
    assert (beside["cohort"].to_numpy().reshape(5, 3) == ["training", "internal", "external"]).all()
    steroids = beside[beside["characteristic"] == "steroids=yes, n (%)"].set_index("cohort")
    for name, members in cohort.groupby("cohort"):
        assert steroids.loc[name, "count"] == (members["steroids"] == "yes").sum()
        assert steroids.loc[name, "n"] == len(members)
    assert table_1.printed_cohorts(beside)["characteristic"].tolist() == titles
    plt.close(plot_ages(cohort, {0: "No", 1: "Yes"}))
