"""What becomes of each patient whom a frozen model meets: a score, or the reason why there is none.

Only patients within the model's domain (`helpers.frozen.domain`) get a number. Everybody who was screened
stands in private/scores.csv and scores.xlsx, with the reasons in full.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from helpers.errors import StudyError
from helpers.features.remarks import joined
from helpers.frozen import domain
from helpers.frozen.bundle import Bundle, score
from helpers.frozen.drawing import marked
from helpers.frozen.drift import RAD_SCORE
from helpers.frozen.new_hospital import Measured, virtual_on_real
from helpers.patients.flow_chart import CATEGORIES
from helpers.study import pseudonyms
from helpers.study.cohorts import cohort_title, ordered_cohorts
from helpers.study.run_folder import Run
from helpers.study.small_counts import shown_count
from helpers.study.spreadsheets import write_csv, write_excel

SCORED, WARNED, OUTSIDE = "scored", "scored with warning", "outside the domain"
REFUSED, EXCLUDED = "refused", "excluded"
STATUSES = (EXCLUDED, REFUSED, OUTSIDE, WARNED, SCORED)
VIRTUAL_MODEL = "the model learnt from virtual patients: its risks say nothing about real ones"
_OUTSIDE_BY = {
    RAD_SCORE: "Rad-score beyond the nomogram's axis",
    domain.VOLTAGE: "another tube voltage than the training patients'",
    domain.DISTANCE: "features together unlike the training patients'",
}
_DIGITS = {"rad_score": 4, "total_points": 1}


@dataclass(frozen=True)
class Met:
    """The new patients as the model met them.

    Attributes
    ----------
    table : DataFrame
        Everyone screened: patient_id, site, status (one of `STATUSES`), reason in full, and category, which
        tells of no single patient.
    scores : DataFrame
        As `helpers.frozen.bundle.score` gives them, of everyone measured: also of those outside the domain,
        for comparisons only.
    outside : DataFrame
        As `helpers.frozen.domain.outside_domain` gives it.
    """

    table: pd.DataFrame
    scores: pd.DataFrame
    outside: pd.DataFrame

    def patients(self, *statuses: str) -> pd.Series:
        """Pseudonyms of those with one of these statuses."""
        return self.table.loc[self.table["status"].isin(statuses), "patient_id"]

    def given(self) -> pd.DataFrame:
        """Scores of those who have a right to one, with ``warned``."""
        rows = self.scores[self.scores["patient_id"].isin(self.patients(SCORED, WARNED))]
        rows = rows.reset_index(drop=True)
        return rows.assign(warned=rows["patient_id"].isin(self.patients(WARNED)))

    def remarks(self) -> pd.DataFrame:
        """patient_id, status and reason of everybody of whom there is something to say."""
        return self.table.loc[self.table["reason"] != "", ["patient_id", "status", "reason"]]

    def count(self, status: str) -> int:
        """How many have this status."""
        return int((self.table["status"] == status).sum())


def meet(bundle: Bundle, screened: pd.DataFrame, measured: Measured) -> Met:
    """Score everyone measured, and tell who has a right to a score.

    Parameters
    ----------
    bundle : Bundle
    screened : DataFrame
        As :func:`helpers.frozen.new_hospital.new_patients` gives them.
    measured : Measured
        Of those included.
    """
    if measured.quality is not None:
        measured = replace(measured, quality=marked(bundle.model["drawing"], measured.quality))
    people = screened[screened["patient_id"].isin(measured.features["patient_id"])]
    scores = score(bundle, people, measured.features)
    found = domain.outside_domain(
        bundle.model["domain"],
        measured.features.set_index("patient_id").loc[scores["patient_id"]],
        scores.set_index("patient_id")["rad_score"],
        domain.voltages(measured.quality),
    )
    return Met(_table(screened, measured, found), scores, found)


def _table(screened: pd.DataFrame, measured: Measured, found: pd.DataFrame) -> pd.DataFrame:
    """Status, reason and category of everyone screened; the gravest status counts, warnings stay told."""
    rows = screened[["patient_id", "site"]].assign(status=SCORED, reason="", category="")
    rows = rows.set_index("patient_id")
    if measured.quality is not None:
        warned = measured.quality[measured.quality["status"] == "warned"].set_index("patient_id")["reason"]
        _mark(rows, WARNED, warned, "")
    why = domain.reasons(found)
    remarks = rows.loc[why.index, "reason"]
    by = found.drop_duplicates("patient_id").set_index("patient_id")["what"].map(_outside_by)
    _mark(rows, OUTSIDE, why.combine(remarks, joined), by)
    refused = measured.refused.set_index("patient_id")
    kinds = refused["kind"].map(CATEGORIES).fillna(CATEGORIES["other"])
    _mark(rows, REFUSED, refused["reason"], kinds)
    left = screened.loc[screened["exclusion"] != ""].set_index("patient_id")["exclusion"]
    _mark(rows, EXCLUDED, left, left)
    return rows.reset_index()


def _mark(rows: pd.DataFrame, status: str, reasons: pd.Series, categories: pd.Series | str) -> None:
    rows.loc[reasons.index, "status"] = status
    rows.loc[reasons.index, "reason"] = reasons.astype(object)
    rows.loc[reasons.index, "category"] = categories


def _outside_by(what: str) -> str:
    """What the flow chart says, which is one of a few things."""
    return _OUTSIDE_BY.get(what, "a feature beyond the training patients' range")


def positions(bundle: Bundle, people: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Each patient's scores, points on the nomogram, and side of the frozen cut-off.

    Parameters
    ----------
    bundle : Bundle
    people : DataFrame
        patient_id and the clinical predictors of everyone in ``scores``.
    scores : DataFrame
        As `Met.given` gives them.

    Returns
    -------
    DataFrame
        The columns of ``scores``, points_<predictor>, total_points, and positive (risk by the nomogram equal
        to or above its cut-off).
    """
    chart = bundle.chart
    rows = people.set_index("patient_id").loc[scores["patient_id"]].reset_index()
    rows = rows.assign(rad_score=scores["rad_score"].to_numpy())
    points = pd.DataFrame([chart.points(row) for row in rows[chart.predictors].to_dict("records")])
    positive = scores["nomogram"] >= bundle.model["cutoffs"]["nomogram"]
    return scores.join(points.add_prefix("points_")).assign(
        total_points=points.sum(axis=1), positive=positive
    )


def middle_patient(table: pd.DataFrame) -> str:
    """The patient whose risk by the nomogram is nearest to the median, if possible without a warning."""
    distance = (table["nomogram"] - table["nomogram"].median()).abs()
    plain = table["warned"] == table["warned"].min()
    return table.loc[distance[plain].idxmin(), "patient_id"]


def give_results(new: Run, bundle: Bundle, met: Met, people: pd.DataFrame) -> pd.DataFrame:
    """Write what is given back of every patient, and return the scores with their points.

    Makes private/scores.csv and scores.xlsx (everyone screened, for people) and scores.parquet (those with a
    score, for the next step).

    Raises
    ------
    StudyError
        When nobody has a right to a score; the tables are written nevertheless.
    """
    given = met.given()
    table = positions(bundle, people, given) if len(given) else given
    readable = results(new, bundle, met, table)
    write_csv(new.private / "scores.csv", readable)
    write_excel(new.private / "scores.xlsx", readable)
    if given.empty:
        first = met.table.loc[met.table["status"] != EXCLUDED, "reason"].head(3)
        raise StudyError(
            "No patient gets a score; private/scores.csv gives each one's reason. The first ones: "
            f"{' / '.join(first)}."
        )
    new.write("scores", table)
    return table


def results(new: Run, bundle: Bundle, met: Met, table: pd.DataFrame) -> pd.DataFrame:
    """Everyone screened, for reading: numbers are empty where there is no right to one.

    Returns
    -------
    DataFrame
        patient_id (pseudonym), patient_number (the hospital's own, empty for simulated patients), site,
        status, reasons, rad_score, risk_<model>, total_points, above_cutoff (yes, no).
    """
    rows = met.table.rename(columns={"reason": "reasons"})
    if virtual_on_real(bundle, new.study):
        scored = rows["status"].isin([SCORED, WARNED])
        told = rows["reasons"].map(lambda reason: joined(reason, VIRTUAL_MODEL))
        rows["reasons"] = rows["reasons"].mask(scored, told)
    numbers = pd.DataFrame({"patient_id": table["patient_id"]})
    for column in ["rad_score", *bundle.models, "total_points"]:
        name = f"risk_{column}" if column in bundle.models else column
        numbers[name] = table.get(column, pd.Series(dtype=float)).round(_DIGITS.get(column, 4))
    numbers["above_cutoff"] = table.get("positive", pd.Series(dtype=object)).map({True: "yes", False: "no"})
    raw = rows["patient_id"].map(pseudonyms.raw_ids(new)).fillna("")
    rows.insert(1, "patient_number", raw)
    order = rows["status"].map(STATUSES[::-1].index)
    rows = rows.drop(columns="category").merge(numbers, on="patient_id", how="left")
    return rows.iloc[order.argsort(kind="stable")].reset_index(drop=True)


def printed_flow(table: pd.DataFrame) -> pd.DataFrame:
    """As `helpers.frozen.told.Told.flow` gives it, for reading."""
    return table.assign(stage=table["stage"].replace("all", "screened")).rename(
        columns={"stage": "patients who were"}
    )


def within_domain(run: Run, bundle: Bundle, met: Met) -> pd.DataFrame:
    """How many patients lie within the model's domain: the new ones, and those of the run that made it.

    Returns
    -------
    DataFrame
        patients (which set), n, within, outside.
    """
    flags = {"new hospital": met.scores["patient_id"].isin(met.outside["patient_id"])}
    if bundle.folder == run.bundle and run.artifact_path("rad_score").is_file():
        known = run.read("rad_score").set_index("patient_id")
        values = run.read("features").set_index("patient_id").loc[known.index]
        quality = None if run.study.has_features else run.read("preprocessing")
        kvp = domain.voltages(quality)
        kvp = kvp.loc[known.index] if kvp is not None else None
        found = domain.outside_domain(bundle.model["domain"], values, known["rad_score"], kvp)
        outside = pd.Series(known.index.isin(found["patient_id"]), known.index)
        own = {name: outside[known["cohort"] == name] for name in ordered_cohorts(known["cohort"])}
        flags = {cohort_title(name): one for name, one in own.items() if len(one)} | flags
    rows = [(name, len(one), int((~one).sum()), int(one.sum())) for name, one in flags.items()]
    return pd.DataFrame(rows, columns=["patients", "n", "within", "outside"])


def flow_in_words(met: Met, min_cell: int) -> dict[str, str]:
    """How many patients came and how far they got, by glue's names; small counts are not told."""
    names = {EXCLUDED: "excluded", REFUSED: "refused", OUTSIDE: "outside"}
    words = {f"new-{name}": shown_count(met.count(status), min_cell) for status, name in names.items()}
    return words | {
        "new-screened": f"{len(met.table)}",
        "new-scored": f"{met.count(SCORED) + met.count(WARNED)}",
        "new-warned": warned_in_words(met.given()["warned"], min_cell),
    }


def warned_in_words(warned: pd.Series, min_cell: int) -> str:
    """How many of these patients carry a warning; neither a small number nor a small rest is told."""
    few, total = int(warned.sum()), len(warned)
    if 0 < total - few < min_cell:
        return f"most of {total}"
    return f"{shown_count(few, min_cell)} of {total}"
