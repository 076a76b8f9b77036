"""Whose scan is it? Patient numbers in DICOM headers against those of the table, as keyed hashes only."""

from __future__ import annotations

import pandas as pd

from helpers.features.remarks import append
from helpers.study import pseudonyms
from helpers.study.run_folder import Run

_ANOTHERS = "another's"
_DIFFERS = "differs"
_SAME = "same"
_ANOTHERS_WORDS = "is this another patient's scan? The DICOM headers carry the patient number of "
_NOBODYS_WORDS = (
    "is this another patient's scan? The DICOM headers carry a patient number that is not the table's"
)


def compared(run: Run, quality: pd.DataFrame) -> pd.DataFrame:
    """Quality control with a remark on scans whose DICOM headers name somebody else.

    A number that is another patient's of the table is always remarked on. One that is nobody's is remarked on
    where most headers of the site agree with the table; elsewhere they were replaced when the images were
    exported, and say nothing.

    Parameters
    ----------
    run : Run
    quality : DataFrame
        As :func:`helpers.features.prepare.tabulated` gives it; ``header_patient`` is the keyed hash of the
        number in the headers, missing where they have none.

    Returns
    -------
    DataFrame
        With ``header_number`` in place of it where any scan has one: "same", "differs", "another's", or "".
    """
    stated = quality.get("header_patient", pd.Series("", index=quality.index)).fillna("")
    table = quality.drop(columns="header_patient", errors="ignore")
    if (stated == "").all():
        return table
    table["header_number"] = ""
    people = pseudonyms.identifiers(run)
    people = people.assign(number=pseudonyms.secret_numbers(run, people["raw_id"])).set_index("patient_id")
    own, sites = (quality["patient_id"].map(people[name]) for name in ("number", "site"))
    table.loc[stated != "", "header_number"] = _DIFFERS
    table.loc[stated.isin(set(people["number"])), "header_number"] = _ANOTHERS
    table.loc[(stated != "") & (stated == own), "header_number"] = _SAME
    owners = people.reset_index().drop_duplicates("number").set_index("number")["patient_id"]
    _remark(table, table["header_number"] == _ANOTHERS, _ANOTHERS_WORDS + stated.map(owners).fillna(""))
    strangers = (table["header_number"] == _DIFFERS) & _agree_with_table(table["header_number"], sites)
    _remark(table, strangers, pd.Series(_NOBODYS_WORDS, index=table.index))
    return table


def _agree_with_table(numbers: pd.Series, sites: pd.Series) -> pd.Series:
    """Whether most headers of a patient's site carry the table's number."""
    agree, differ = ((numbers == kind).groupby(sites).sum() for kind in (_SAME, _DIFFERS))
    return sites.map(agree > differ).fillna(False).astype(bool)


def _remark(table: pd.DataFrame, rows: pd.Series, text: pd.Series) -> None:
    usable = rows & (table["status"] != "refused")
    append(table, "reason", usable, text)
    table.loc[usable, "status"] = "warned"


def remarks(people: pd.DataFrame) -> list[str]:
    """Sites whose DICOM headers carry other patient numbers than the table, a sentence each.

    Parameters
    ----------
    people : DataFrame
        ``site``, and ``header_number`` where :func:`compared` gives it.
    """
    found = []
    if "header_number" not in people:
        return found
    for site, rows in people.groupby("site", sort=False):
        counts = rows["header_number"].value_counts()
        other, same = counts.get(_DIFFERS, 0), counts.get(_SAME, 0)
        if other:
            found.append(
                f"Site '{site}': in {other} of {len(rows)} patients the number in the DICOM headers is not "
                f"that of the table, in {same} it is. Where images were exported under other numbers, only "
                "the names of files and folders say whose scan it is."
            )
    return found
