"""Tables of strict validation (chapter 10)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import logit

from helpers.chapters.strict_validation import Fitted, Nested, mean_calibration, measures, nested_auc
from helpers.evaluation.calibration import calibration_summary
from helpers.evaluation.cutoffs import confusion_metrics, youden_cutoff
from helpers.evaluation.delong import delong_auc
from helpers.evaluation.predictions import present_cohorts, probabilities_wide
from helpers.evaluation.sample_size import cox_snell_of, development_size, largest_cox_snell, validation_size
from helpers.learning.logistic import fit_logistic
from helpers.learning.odds_ratios import logistic_table
from helpers.study.number_texts import NOT_ESTIMABLE, estimate_text, span
from helpers.study.run_folder import Run

COMPARED = ["nomogram", "radiomics", "clinical", "HU alone", "HU and clinical"]
SMALL = 10  # patients of a class below which an AUC is only a hint
VALIDATION = "external validation"
AGE_LIMITS, AGE_BANDS = [0, 60, 70, 200], ["59 and under", "60 to 69", "70 and over"]


def strict_models(patients: pd.DataFrame, predictors: list[str]) -> pd.DataFrame:
    """Risks of the radiomics model and of the models it must beat, in the format of ``predictions``.

    Parameters
    ----------
    patients : DataFrame
        Indexed by patient: cohort, outcome, the predictors, trabecular_hu (mean HU of the region; a
        study of ready features has no such column), and
        radiomics (predicted risk; of training patients by models that never saw them).
    predictors : list of str
        Clinical predictors.

    Returns
    -------
    DataFrame
        Models as in `COMPARED`, less those that the study has no predictors or no HU for. The nomogram is a
        logistic regression on the predictors and the log odds of ``radiomics``: being out-of-fold on training
        patients, these are not flattered there.
    """
    table = patients.reset_index(names="patient_id")
    table["radiomics_log_odds"] = logit(table["radiomics"].clip(1e-6, 1 - 1e-6))
    columns = {"nomogram": [*predictors, "radiomics_log_odds"], "clinical": predictors}
    if "trabecular_hu" in table:
        columns |= {"HU alone": ["trabecular_hu"], "HU and clinical": ["trabecular_hu", *predictors]}
    training = table[table["cohort"] == "training"]
    risks = {
        name: fit_logistic(training, "outcome", used).probability(table)
        for name, used in columns.items()
        if used
    }
    risks["radiomics"] = table["radiomics"].to_numpy()
    keys = table[["patient_id", "cohort", "outcome"]]
    return pd.concat(
        [keys.assign(model=name, probability=risks[name]) for name in COMPARED if name in risks],
        ignore_index=True,
    )


def paper_beside_strict(
    paper: pd.DataFrame, strict: pd.DataFrame, corrected: pd.DataFrame, usual: str = "paper_mode"
) -> pd.DataFrame:
    """The table that opens chapter 10.

    Parameters
    ----------
    paper, strict : DataFrame
        Predictions of "radiomics" and "nomogram" in the two ways, on the same patients.
    corrected : DataFrame
        Table of :class:`helpers.chapters.strict_validation.Optimism`, of the radiomics model.
    usual : str
        Column of the first way.

    Returns
    -------
    DataFrame
        cohort, model, quantity, paper_mode, strict_mode, difference (strict minus paper). On the training set
        paper mode is apparent, strict mode corrected for optimism. Sensitivity and specificity: at Youden's
        cut-off of the same set (paper mode), or at that of the training patients' out-of-fold risks.
    """
    wide = probabilities_wide(paper, "training", ["radiomics"])
    seen = _qualities(wide["outcome"], wide["radiomics"], None)
    names = {"AUC": "c_index", "calibration slope": "slope", "Brier score": "brier"}
    rows = [
        ("training", "radiomics", quantity, seen[quantity], corrected.loc[name, "corrected"])
        for quantity, name in names.items()
    ]
    for cohort in present_cohorts(strict)[1:]:
        for model in ("radiomics", "nomogram"):
            first, second = (probabilities_wide(part, cohort, [model]) for part in (paper, strict))
            training = probabilities_wide(strict, "training", [model])
            locked = youden_cutoff(training["outcome"], training[model])
            ours = _qualities(second["outcome"], second[model], locked)
            theirs = _qualities(first["outcome"], first[model], None)
            rows += [(cohort, model, quantity, theirs[quantity], ours[quantity]) for quantity in ours]
    table = pd.DataFrame(rows, columns=["cohort", "model", "quantity", usual, "strict_mode"])
    return table.assign(difference=table["strict_mode"] - table[usual])


def differences_in_words(table: pd.DataFrame) -> dict[str, str]:
    """Smallest and largest difference of each quantity of `paper_beside_strict`, by glue's names."""
    ends = table.groupby("quantity")["difference"].agg(["min", "max"])
    spans = {name: span(low, high, "+.3f") for name, low, high in ends.dropna().itertuples()}
    names = ("AUC", "sensitivity", "specificity")
    return {f"strict-{name}": spans.get(name, NOT_ESTIMABLE) for name in names}


def advantage_in_words(compared: pd.DataFrame) -> str:
    """What the nomogram adds in each set to the best that is known without it: a sentence with a verdict.

    Parameters
    ----------
    compared : DataFrame
        From `delong.pairwise_tests` of `COMPARED`.
    """
    usual = next((name for name in reversed(COMPARED[2:]) if name in set(compared["second"])), None)
    rows = compared[(compared["first"] == "nomogram") & (compared["second"] == usual)]
    if rows.empty:
        return "This study has nothing simpler to compare with."
    said = [f"{row.cohort} {verdict(row.difference, row.ci_low, row.ci_high)}" for row in rows.itertuples()]
    return f"AUC of the nomogram over that of {usual}: {'; '.join(said)}."


def verdict(difference: float, low: float, high: float, form: str = "+.3f") -> str:
    """An advantage with its interval, and whether it is shown: the interval leaves 0 out."""
    told = estimate_text(difference, low, high, form)
    if not low < high:  # an interval whose ends meet is none
        return told
    return f"{told}, {'shown' if low > 0 else 'shown to be worse' if high < 0 else 'not shown'}"


def _qualities(y: pd.Series, p: pd.Series, cutoff: float | None) -> dict[str, float]:
    summary = calibration_summary(y, p)
    at_cutoff = confusion_metrics(y, p, youden_cutoff(y, p) if cutoff is None else cutoff)["estimate"]
    return {
        "AUC": summary.c_index,
        "sensitivity": at_cutoff["sensitivity"],
        "specificity": at_cutoff["specificity"],
        "calibration slope": summary.slope,
        "calibration in the large": summary.in_the_large,
        "Brier score": summary.brier,
    }


def with_mean_hu(patients: pd.DataFrame, run: Run) -> pd.DataFrame:
    """The patients (index) with their mean HU as ``trabecular_hu``, unless the features came ready-made."""
    if run.study.has_features:
        return patients.copy()
    hu = run.read("preprocessing").set_index("patient_id")["trabecular_hu"]
    return patients.assign(trabecular_hu=hu.reindex(patients.index))


def scanners_of(patients: pd.DataFrame) -> pd.Series:
    """Each patient's scanner, "not stated" where the study does not know it."""
    return patients.reindex(columns=["scanner"])["scanner"].fillna("not stated")


def scanners_in_training(patients: pd.DataFrame, scanners: pd.Series) -> pd.DataFrame:
    """Patients of each set whose scanner training patients had too, and those whose scanner they had not."""
    seen = scanners[patients["cohort"] == "training"].unique()
    reach = {True: "scanner in training", False: "scanner not in training"}
    counts = pd.crosstab(patients["cohort"], scanners.isin(seen).map(reach))
    return counts.loc[present_cohorts(patients)].rename_axis("cohort").reset_index()


def reach_in_words(scanners: pd.Series) -> str:
    """Whom a harmonisation by scanner can reach."""
    if scanners.nunique() > 1:
        return "The table counts whom it can reach."
    return "The tables tell of no second scanner, so that there is nothing to harmonise."


def smote_effect(ways: dict[str, tuple[Nested, Fitted]], patients: pd.DataFrame) -> pd.DataFrame:
    """Discrimination and calibration of the same procedure with and without SMOTE.

    Parameters
    ----------
    ways : dict
        By what is said of SMOTE: held-out risks of the training patients, and the model of all of them with
        the risks of ``patients``.
    patients : DataFrame
        cohort and outcome, one row a patient.

    Returns
    -------
    DataFrame
        smote, cohort, and the measures of :func:`helpers.chapters.strict_validation.measures`.
    """
    outcome, rows = patients["outcome"], []
    for smote, (held_out, fitted) in ways.items():
        training = (patients["cohort"] == "training").to_numpy()
        judged = mean_calibration(outcome[training].to_numpy(), held_out)
        rows.append({"smote": smote, "cohort": "training", **judged})
        for cohort in present_cohorts(patients)[1:]:
            part = (patients["cohort"] == cohort).to_numpy()
            judged = measures(outcome[part], fitted.probability[part])
            rows.append({"smote": smote, "cohort": cohort, **judged})
    return pd.DataFrame(rows)


def sample_sizes(y: np.ndarray, nested: Nested, parameters: list[int]) -> pd.DataFrame:
    """Patients that development and external validation would need to reach what the training patients show.

    Parameters
    ----------
    y : array of 0 and 1, shape (patients,)
    nested : Nested
        Held-out risks of the same patients.
    parameters : list of int
        Numbers of candidate parameters, a row of sizes for each.

    Returns
    -------
    DataFrame
        purpose, criterion, patients, events, and events_per_parameter. Purposes whose assumption fails (a
        model no better than chance) are left out.
    """
    prevalence, auc = float(y.mean()), nested_auc(y, nested).auc
    reached, needed = cox_snell_of(y, nested.mean), {}
    if 0 < reached < largest_cox_snell(prevalence):
        for number in parameters:
            sizes = development_size(number, prevalence, reached)
            needed[f"development, {number} parameters"] = sizes
    if 0.5 < auc < 1:
        log_odds = np.log(nested.mean / (1 - nested.mean))
        needed[VALIDATION] = validation_size(prevalence, auc, log_odds)
    empty = {"none": pd.DataFrame(columns=["criterion", "patients", "events"])}
    return pd.concat(needed or empty, names=["purpose"]).reset_index("purpose")


def sizes_in_words(y: np.ndarray, nested: Nested, candidates: int) -> dict[str, str]:
    """Events for each candidate feature, and the Cox-Snell R-squared of held-out risks, by glue's names."""
    return {
        "events-per-candidate": f"{y.sum() / candidates:.2f}",
        "candidates-n": f"{candidates}",
        "cox-snell": f"{cox_snell_of(y, nested.mean):.2f}",
    }


def enough_in_words(sizes: pd.DataFrame, cohorts: pd.Series) -> str:
    """Whether each set has the patients that `sample_sizes` asks for: one sentence.

    Parameters
    ----------
    sizes : DataFrame
        From `sample_sizes`.
    cohorts : Series
        Each patient's cohort.
    """
    needed = sizes.groupby("purpose", sort=False)["patients"].max()
    there, made = cohorts.value_counts(), needed.drop(VALIDATION, errors="ignore").sort_values()
    said = []
    if len(made):
        asked = f"{made.iloc[0]:.0f} ({made.index[0]}) to {made.iloc[-1]:.0f} ({made.index[-1]})"
        said.append(f"{asked} patients are asked for and {_there(there['training'], made.iloc[0])}")
    if VALIDATION in needed:
        number = needed[VALIDATION]
        sets = present_cohorts(cohorts.to_frame("cohort"))[1:]
        judged = ", ".join(f"{name} {_there(there[name], number)}" for name in sets)
        said.append(f"{number:.0f} to judge it ({VALIDATION}), {judged}")
    return f"{'; '.join(said)}." if said else "no better than chance, so that no number of patients follows."


def _there(there: int, needed: float) -> str:
    return f"{there} there, {'enough' if there >= needed else 'too few'}"


def subgroups_of(patients: pd.DataFrame, scanners: pd.Series) -> pd.DataFrame:
    """Sex, age band and scanner of each patient (index), as far as the study knows them and they differ."""
    groups = patients[patients.columns.intersection(["sex"])].copy()
    if "age" in patients:
        bands = pd.cut(patients["age"], AGE_LIMITS, right=False, labels=AGE_BANDS)
        groups["age"] = bands.astype(str)
    groups = groups.assign(scanner=scanners)
    return groups[[name for name in groups if groups[name].nunique() > 1]]


def subgroups_in_words(table: pd.DataFrame) -> str:
    """That there are no subgroups, where there are none."""
    if len(table):
        return ""
    return "The tables tell no sex, age or scanner by which these patients differ: there are no subgroups."


def subgroup_table(predictions: pd.DataFrame, model: str, groups: pd.DataFrame) -> pd.DataFrame:
    """AUC of one model in subgroups of each set.

    Parameters
    ----------
    predictions : DataFrame
        The ``predictions`` artifact.
    model : str
    groups : DataFrame
        Indexed by patient, one column of text a characteristic (sex, age band, scanner).

    Returns
    -------
    DataFrame
        cohort, characteristic, group, n, events, auc, ci_low, ci_high (DeLong), remark ("small": fewer than
        10 patients of a class; "one class": no AUC).
    """
    rows = []
    for cohort in present_cohorts(predictions):
        wide = probabilities_wide(predictions, cohort, [model]).set_index("patient_id")
        for characteristic in groups:
            labels = groups[characteristic].reindex(wide.index).fillna("not stated")
            for label, part in wide.groupby(labels):
                rows.append((cohort, characteristic, label, *_subgroup(part["outcome"], part[model])))
    columns = "cohort characteristic group n events auc ci_low ci_high remark".split()
    return pd.DataFrame(rows, columns=columns)


def _subgroup(y: pd.Series, p: pd.Series) -> tuple:
    events, n = int(y.sum()), len(y)
    if events in (0, n):
        return n, events, np.nan, np.nan, np.nan, "one class"
    area = delong_auc(y, p)
    return n, events, area.auc, area.ci_low, area.ci_high, "small" if min(events, n - events) < SMALL else ""


def region_row(patients: pd.DataFrame, nested: Nested, predictors: list[str]) -> dict[str, float]:
    """How well a region predicts by itself, and what it adds to the clinical predictors.

    Parameters
    ----------
    patients : DataFrame
        One row a patient: outcome and the predictors.
    nested : Nested
        Held-out risks of the same patients.
    predictors : list of str

    Returns
    -------
    dict
        patients, auc, ci_low, ci_high; odds_ratio, or_low, or_high (profile likelihood), p_value: of one unit
        of the region's held-out log odds beside the predictors, where 1 means that it adds nothing.
    """
    area = nested_auc(patients["outcome"], nested)
    table = patients.assign(region=logit(np.clip(nested.mean, 1e-6, 1 - 1e-6)))
    added = logistic_table(table, "outcome", [*predictors, "region"]).set_index("term").loc["region"]
    return {
        "patients": len(patients),
        **{"auc": area.auc, "ci_low": area.ci_low, "ci_high": area.ci_high},
        "odds_ratio": added["odds_ratio"],
        **{"or_low": added["profile_low"], "or_high": added["profile_high"]},
        "p_value": added["p_lr"],
    }
