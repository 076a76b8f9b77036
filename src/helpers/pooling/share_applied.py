"""What a hospital shares of the patients whom a frozen model has just met."""

from __future__ import annotations

import pandas as pd

from helpers.frozen import new_hospital, verdicts
from helpers.frozen.bundle import Bundle
from helpers.frozen.judged import predictions_of
from helpers.frozen.new_hospital import Measured
from helpers.frozen.told import Told, tell
from helpers.frozen.verdicts import OUTSIDE, Met
from helpers.patients.cohort import included_of
from helpers.pooling.contract import SiteFile
from helpers.pooling.described import Patients, described_hospital
from helpers.pooling.judged import write_judged
from helpers.pooling.share import label_of, write_site
from helpers.study.run_folder import Run
from helpers.study.small_counts import HIDDEN


def share_applied(
    run: Run,
    new: Run,
    bundle: Bundle,
    people: pd.DataFrame,
    told: Told,
    met: Met,
    measured: Measured,
) -> SiteFile | None:
    """Write site.json and README of a new hospital into its run folder.

    None where chapter 11 is a part of a study's own run, which has shared its own patients (chapter 06), or
    where the file is withheld (`helpers.pooling.share.write_site`).

    Parameters
    ----------
    run, new : Run
        The book's, and the new hospital's.
    bundle : Bundle
    people : DataFrame
        Everyone included: patient_id, predictors, and the outcome where it is known.
    told : Told
        What may be told of how far they got.
    met : Met
    measured : Measured
    """
    if run.json_path("selection").is_file():
        return None
    known = people if "outcome" in people else people.assign(outcome=float("nan"))
    arrived = people[people["patient_id"].isin(met.scores["patient_id"])]
    given = predictions_of(known, met.given(), bundle.models)
    patients = Patients(given, arrived, measured.features, measured.quality)
    label = label_of(new.study, [site.name for site in new.study.sites])
    hospital = described_hospital(
        bundle,
        patients,
        new.study.min_cell,
        label=label,
        role="development" if label in bundle.learnt_from else "external",
        is_number_told=told.total(OUTSIDE) != HIDDEN,
    )
    told_of = known[known["outcome"].notna()].astype({"outcome": int})
    write_judged(new, bundle, told_of.merge(met.given()[["patient_id", "rad_score"]], on="patient_id"))
    return write_site(new, bundle, "apply", [hospital], [patients], new.read_table("new_hospital_flow"))


def share_new(new: Run, bundle: Bundle, workers: int) -> SiteFile:
    """Meet a hospital's patients with a frozen model and write its site.json, as chapter 11 does, unseen.

    Parameters
    ----------
    new : Run
        The hospital's, all of whose sites are external.
    bundle : Bundle
    workers : int
        Processes; 0 means one a core.
    """
    screened = new_hospital.new_patients(new)
    people = included_of(screened)
    measured = new_hospital.measure(new, people, bundle.features, workers)
    met = verdicts.meet(bundle, screened, measured)
    verdicts.give_results(new, bundle, met, people)
    told = tell(met, new.study.min_cell, people)
    new.write_table("new_hospital_flow", told.flow())
    return share_applied(new, new, bundle, people, told, met, measured)
