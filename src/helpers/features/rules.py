"""The study's rules on unusual scans, applied to the quality table, and its summaries."""

from __future__ import annotations

import pandas as pd

from helpers.errors import Kind, StudyError
from helpers.features.plausibility import judge
from helpers.features.remarks import append
from helpers.study.cohorts import ordered_cohorts
from helpers.study.run_folder import Run
from helpers.study.study_file import Rules, Study

# What a refusal by each rule is about, in the order in which they count: the first that excludes.
_KINDS: dict[str, Kind] = {
    "missing_vertebra": "level",
    "fracture": "fracture",
    "metal": "metal",
    "contrast": "contrast",
}


def apply_rules(quality: pd.DataFrame, cohort: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Include, exclude or set aside usable scans that are out of the ordinary, as the study file says.

    Works on measured facts alone: another rule needs no image again.

    Parameters
    ----------
    quality : DataFrame
        As :func:`quality_table` gives it.
    cohort : DataFrame
        ``patient_id``, and where the hospital's table has them ``fracture`` and ``contrast`` (booleans; the
        latter counts instead of what DICOM headers say).
    study : Study
        Its ``rules``, ``plausibility`` and ``limits``.

    Returns
    -------
    DataFrame
        ``quality`` with ``status`` refused where a rule excludes and warned where it does not, the finding
        in ``reason``, the ``kind`` of the first rule that excludes, and in ``sensitivity`` the findings
        without which the main results are repeated; and what `helpers.features.plausibility.judge` adds.

    Raises
    ------
    StudyError
        When the rules leave nobody.
    """
    usable, rules = quality["status"] != "refused", study.rules
    found = _findings(quality, cohort, rules)
    table = judge(quality, cohort, found["contrast"] != "", study)
    for rule, kind in _KINDS.items():
        findings, choice = found[rule], getattr(rules, rule)
        hit = usable & (findings != "")
        remark = findings + (f" (excluded by the rule '{rule}')" if choice == "exclude" else "")
        append(table, "reason", hit, remark)
        table.loc[hit & (table["status"] == "ok"), "status"] = "warned"
        if choice == "exclude":
            table.loc[hit & (table["status"] != "refused"), "kind"] = kind
            table.loc[hit, "status"] = "refused"
        if choice == "sensitivity":
            append(table, "sensitivity", hit, findings)
    if usable.any() and (table["status"] == "refused").all():
        raise StudyError(
            f"The rules of the study file leave none of {usable.sum()} usable patients, for example: "
            f"{table.loc[usable, 'reason'].iloc[0]}. Look at 'rules'."
        )
    return table


def set_aside(run: Run) -> pd.Series:
    """Pseudonyms of those without whom the main results are repeated (`Study.rules`, ``sensitivity``)."""
    if run.study.has_features:
        return pd.Series(dtype=str)
    quality = run.read("preprocessing")
    return quality.loc[_text(quality, "sensitivity") != "", "patient_id"]


def _findings(quality: pd.DataFrame, cohort: pd.DataFrame, rules: Rules) -> dict[str, pd.Series]:
    """What each rule finds in each patient, in words; empty where nothing."""
    known = cohort.set_index("patient_id").reindex(quality["patient_id"]).reset_index(drop=True)
    known.index = quality.index
    unknown = pd.Series(False, index=quality.index)
    injected = _text(quality, "contrast") != ""
    if "contrast" in known:  # a site's table may say nothing
        injected = known["contrast"].astype("boolean").fillna(injected)
    missing = _text(quality, "missing_vertebra")
    highest = quality.get("block_max_abs_hu", unknown).fillna(0)
    words = {
        "missing_vertebra": (missing != "", missing + " is missing"),
        "fracture": (known.get("fracture", unknown), "vertebral fracture (table)"),
        "metal": (
            highest > rules.metal_hu,
            highest.map("{:.0f} HU near the region: metal or cement".format),
        ),
        "contrast": (injected, "contrast-enhanced scan"),
    }
    found = {rule: hit.fillna(False).astype(bool) for rule, (hit, _) in words.items()}
    return {
        rule: pd.Series(text, index=quality.index).where(found[rule], "") for rule, (_, text) in words.items()
    }


def _text(table: pd.DataFrame, column: str) -> pd.Series:
    return table.get(column, pd.Series("", index=table.index)).fillna("").astype(str)


def typical_patient(quality: pd.DataFrame) -> str:
    """The patient without remarks (if there is one) whose HU is nearest to the median."""
    usable = quality[quality["status"] != "refused"]
    plain = usable[usable["status"] == "ok"] if (usable["status"] == "ok").any() else usable
    distance = (plain["trabecular_hu"] - plain["trabecular_hu"].median()).abs()
    return plain.loc[distance.idxmin(), "patient_id"]


def quality_summary(quality: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Quality control by cohort, without single patients.

    Returns
    -------
    DataFrame
        ``cohort``, ``patients``, ``ok``, ``warned``, ``refused``, and mean and SD of the region's volume
        (mm3) and HU.
    """
    table = cohort[["patient_id", "cohort"]].merge(quality, on="patient_id")
    by_cohort = table.sort_values("cohort", key=_places, kind="stable")
    grouped = pd.concat([by_cohort, table.assign(cohort="all")]).groupby("cohort", sort=False)
    status = {
        name: grouped["status"].agg(lambda column, name=name: int((column == name).sum()))
        for name in ("ok", "warned", "refused")
    }
    measured = {
        f"{column}_{name}": grouped[column].agg(name)
        for column in ("volume", "trabecular_hu")
        for name in ("mean", "std")
    }
    return pd.DataFrame({"patients": grouped.size(), **status, **measured}).reset_index()


def scanner_summary(quality: pd.DataFrame, cohort: pd.DataFrame) -> pd.DataFrame:
    """Patients by cohort and scanner, with the range of voxel sizes (mm) and tube voltages (kV)."""
    table = cohort[["patient_id", "cohort"]].merge(quality, on="patient_id")
    grouped = table.fillna({"scanner": "not stated"}).groupby(["cohort", "scanner"], sort=False)
    ranges = {
        name: grouped[column].agg(_range)
        for name, column in (
            ("in_plane_mm", "spacing_x"),
            ("slice_step_mm", "spacing_z"),
            ("tube_kv", "kvp"),
        )
    }
    summary = pd.DataFrame({"patients": grouped.size(), **ranges}).reset_index()
    order = _places(summary["cohort"])
    return summary.assign(order=order).sort_values(["order", "scanner"]).drop(columns="order")


def _places(names: pd.Series) -> pd.Series:
    """Place of each cohort in the order in which the book shows them."""
    return names.map(ordered_cohorts(names).index)


def _range(values: pd.Series) -> str:
    if values.isna().all():
        return "not stated"
    low, high = f"{values.min():.3g}", f"{values.max():.3g}"
    return low if low == high else f"{low} to {high}"
