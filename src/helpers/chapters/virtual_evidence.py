"""What a radiologist and a physicist would measure in the virtual cohort, beside what the literature says.

Published ranges are data/virtual/published.csv, results of ten whole replicates data/virtual/ten_seeds.csv
(made by benchmarks/calibrate_virtual.py). Nothing here is used by the analysis.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from scipy.ndimage import binary_erosion

from helpers.features.reliability import icc
from helpers.study.parallel import on_cores
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Study
from helpers.virtual import VirtualSite, vertebrae
from helpers.virtual.patients import simulate_patients

PUBLISHED = REPOSITORY / "data" / "virtual" / "published.csv"
BY_VALUE = "by its value"  # the others say why agreement tells nothing
_FULL_SIZE = {"development": 600, "external": 263}
_BONE_GROUPS = {"hu_osteoporosis": (-9, -2.45), "hu_osteopenia": (-2.45, -0.95), "hu_normal": (-0.95, 9)}
_AORTA_MARGIN_MM = 3.0
_LAG_MM = 1.4  # distance at which anisotropy is read, about two voxels


def hospitals(study: Study) -> dict[str, VirtualSite]:
    """The study's virtual hospitals by role."""
    return {
        site.role: VirtualSite(
            study.path(site.virtual.protocol), site.role, site.virtual.patients, study.seed
        )
        for site in study.sites
        if site.virtual is not None
    }


def included(site: VirtualSite) -> list[str]:
    """Pseudonyms of the included patients, in the hospital's order."""
    return site.screened().query("allocation != ''")["patient_id"].tolist()


def included_people(protocol: Path, seeds: Iterable[int]) -> pd.DataFrame:
    """Patients of the published design, with their latent bone, for several seeds; no image is made."""
    numbers = yaml.safe_load(Path(protocol).read_text(encoding="utf-8"))
    frames = [
        simulate_patients(numbers, role, size, seed).assign(seed=seed, hospital=role)
        for seed in seeds
        for role, size in _FULL_SIZE.items()
    ]
    people = pd.concat(frames, ignore_index=True)
    people = people[people["allocation"] != ""]
    return people.assign(outcome=(people["t_score"] <= -2.5).astype(int))


def bone_laws(people: pd.DataFrame) -> dict[str, float]:
    """Density by age, sex and T-score, by the keys of published.csv."""
    by_sex = {sex: np.polyfit(of["age"], of["hu_l1"], 1)[0] for sex, of in people.groupby("sex")}
    decades = {f"hu_{age}s": people.loc[people["age"].floordiv(10) * 10 == age] for age in (50, 60, 70)}
    groups = {
        key: people[people["t_score"].between(*limits, inclusive="right")]
        for key, limits in _BONE_GROUPS.items()
    }
    r = people[["t_score", "hu_l1", "hu_t12"]].corr()
    sick = people["outcome"] == 1
    return {
        **{key: of["hu_l1"].mean() for key, of in {**decades, **groups}.items()},
        "hu_per_year": np.polyfit(people["age"], people["hu_l1"], 1)[0],
        "hu_spread": _residual_sd(people),
        "sex_slope": by_sex["female"] - by_sex["male"],
        "hu_t_r": r.loc["t_score", "hu_l1"],
        "with_texture_r": _multiple_r(people, ["hu_l1", "micro_structure"]),
        "t12_l1_r": r.loc["hu_t12", "hu_l1"],
        "t12_minus_l1": (people["hu_t12"] - people["hu_l1"]).mean(),
        "hu_sensitive": people.loc[sick, "hu_l1"].quantile(0.9),
        "hu_specific": people.loc[~sick, "hu_l1"].quantile(0.1),
    }


def concavity_law(protocol: Path, people: pd.DataFrame) -> dict[str, float]:
    """Correlation of the T-score with the mean depth of a patient's end plates, by the keys of published.csv.

    The depths are drawn once more from the protocol's law: these are not the patients' own.
    """
    numbers = yaml.safe_load(Path(protocol).read_text(encoding="utf-8"))["anatomy"]["end_plate_dip"]
    rng = np.random.default_rng(0)
    dips = [vertebrae.end_plate_dips(numbers, state, rng)[1:3].mean() for state in people["micro_structure"]]
    return {"dip_t_r": float(np.corrcoef(people["t_score"], dips)[0, 1])}


def _residual_sd(people: pd.DataFrame) -> float:
    design = np.column_stack([np.ones(len(people)), people["age"], people["sex"] == "male"])
    return float(np.std(_residuals(design, people["hu_l1"].to_numpy())))


def _multiple_r(people: pd.DataFrame, columns: list[str]) -> float:
    design = np.column_stack([np.ones(len(people)), people[columns]])
    outcome = people["t_score"].to_numpy()
    return float(np.sqrt(1 - _residuals(design, outcome).var() / outcome.var()))


def _residuals(design: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    return outcome - design @ np.linalg.lstsq(design, outcome, rcond=None)[0]


def measure_sample(sites: dict[str, VirtualSite], sample: dict[str, list[str]], workers: int) -> pd.DataFrame:
    """`measure_patient` for a sample of each hospital: a row a patient, with the hospital's ``role``.

    Parameters
    ----------
    sites : dict of str to VirtualSite
        By role.
    sample : dict of str to list of str
        Pseudonyms by role.
    workers : int
        0 for all cores.
    """
    tasks = [(role, patient_id) for role in sites for patient_id in sample[role]]
    rows = on_cores(lambda task: measure_patient(sites[task[0]], task[1]), tasks, workers)
    return pd.DataFrame(list(rows)).assign(role=[role for role, _ in tasks])


def measure_patient(site: VirtualSite, patient_id: str) -> dict[str, float]:
    """One patient in the images: HU by two readers, their Dice, noise in the aorta, texture of L1.

    Returns
    -------
    dict
        ``hu_reader1``, ``hu_reader2`` (T12 and L1 together), ``hu_measured`` (L1, first reader), ``dice``,
        ``noise`` (HU), ``pixel_mm``, ``slice_mm``, ``variogram_slope`` and ``anisotropy`` (bone without
        scanner), and the latent ``hu_l1``, ``micro_structure``.
    """
    image, mask = site.acquire(patient_id)
    truth = site.truth(patient_id)
    voxels, first = (sitk.GetArrayFromImage(part) for part in (image, mask))
    second = sitk.GetArrayFromImage(site.redraw(patient_id, reader=2))
    both = (first > 0) & (second > 0)
    tissue, bone = (sitk.GetArrayFromImage(part) for part in (truth.noise_free, truth.mask))
    return {
        "hu_reader1": voxels[first > 0].mean(),
        "hu_reader2": voxels[second > 0].mean(),
        "hu_measured": voxels[first > 3].mean(),
        "dice": 2 * both.sum() / ((first > 0).sum() + (second > 0).sum()),
        "noise": aorta_noise(voxels, tissue, _aorta_hu(site), image.GetSpacing()),
        "pixel_mm": image.GetSpacing()[0],
        "slice_mm": image.GetSpacing()[2],
        **texture_measures(tissue, bone > 3, image.GetSpacing()),
        "hu_l1": truth.latent["hu_l1"],
        "micro_structure": truth.latent["micro_structure"],
    }


def _aorta_hu(site: VirtualSite) -> float:
    organs = yaml.safe_load(site.protocol.read_text(encoding="utf-8"))["anatomy"]["organs"]
    return next(float(organ["hu"]) for organ in organs if organ["name"] == "aorta")


def aorta_noise(voxels: np.ndarray, tissue: np.ndarray, hu: float, spacing: tuple) -> float:
    """SD of HU in the lumen of the aorta, away from its wall: mean over slices."""
    margin = int(np.ceil(_AORTA_MARGIN_MM / spacing[0]))
    lumen = tissue == np.float32(hu)
    lumen = np.stack([binary_erosion(plane, iterations=margin) for plane in lumen])
    planes = [plane[inside] for plane, inside in zip(voxels, lumen, strict=True) if inside.sum() > 50]
    return float(np.mean([plane.std(ddof=1) for plane in planes]))


def variogram(values: np.ndarray, inside: np.ndarray, axis: int, lags: list[int]) -> np.ndarray:
    """Half the mean squared difference of voxels ``lags`` apart along an axis, both ``inside`` (HU^2)."""
    gammas = []
    for lag in lags:
        ahead, behind = (np.arange(lag, values.shape[axis]), np.arange(values.shape[axis] - lag))
        pairs = inside.take(ahead, axis) & inside.take(behind, axis)
        difference = (values.take(ahead, axis) - values.take(behind, axis))[pairs]
        gammas.append(np.mean(difference.astype(float) ** 2) / 2)
    return np.array(gammas)


def texture_measures(values: np.ndarray, inside: np.ndarray, spacing: tuple) -> dict[str, float]:
    """Variogram slope (log-log, across the spine, 1 to 4 voxels) and anisotropy at about 1.4 mm.

    Anisotropy is the variogram across the spine over that along it: above 1, structures run along it.
    """
    lags = [1, 2, 4]
    across = np.mean([variogram(values, inside, axis, lags) for axis in (1, 2)], axis=0)
    along = variogram(values, inside, 0, [1, 2, 3, 4, 6])
    at = np.exp([np.interp(np.log(_LAG_MM), np.log(np.multiply(lags, spacing[0])), np.log(across))])
    beside = np.exp(
        np.interp(np.log(_LAG_MM), np.log(np.multiply([1, 2, 3, 4, 6], spacing[2])), np.log(along))
    )
    slope = np.polyfit(np.log(lags), np.log(across), 1)[0]
    return {"variogram_slope": float(slope), "anisotropy": float(at[0] / beside)}


def image_laws(measured: pd.DataFrame) -> dict[str, float]:
    """Noise by hospital, slices and pixels of the images, by the keys of published.csv."""
    means = measured.groupby("role")[["noise", "slice_mm"]].mean()
    return {
        **{f"noise_{role}": value for role, value in means["noise"].items()},
        **{f"slice_{role}": value for role, value in means["slice_mm"].items()},
        "pixel_smallest": measured["pixel_mm"].min(),
        "pixel_largest": measured["pixel_mm"].max(),
    }


def reader_laws(measured: pd.DataFrame) -> dict[str, float]:
    """Dice and ICC of mean HU of the two readers."""
    ratings = measured[["hu_reader1", "hu_reader2"]].to_numpy()[None]
    return {"dice": measured["dice"].mean(), "hu_icc": float(icc(ratings, kind="2,1").icc[0])}


def texture_laws(measured: pd.DataFrame) -> dict[str, float]:
    """How texture, and measured HU, follow the bone."""
    r = measured[["hu_measured", "hu_l1", "micro_structure", "variogram_slope", "anisotropy"]].corr()
    return {
        "measured_r": r.loc["hu_measured", "hu_l1"],
        "variogram_r": r.loc["micro_structure", "variogram_slope"],
        "anisotropy_r": r.loc["micro_structure", "anisotropy"],
    }


def reliability_order(agreement: pd.DataFrame) -> dict[str, float]:
    """Shares of features above an ICC of 0.80, compared between classes and images (published.csv)."""
    steady = agreement.assign(steady=agreement["icc"] > 0.80)
    by_class = steady.groupby("feature_class")["steady"].mean()
    texture = steady.loc[~steady["feature_class"].isin(["shape", "firstorder"]), "steady"].mean()
    by_image = steady.groupby(steady["image_type"].replace({"LoG": "Wavelet"}))["steady"].mean()
    return {
        "icc_shape": by_class["shape"] - texture,
        "icc_firstorder": by_class["firstorder"] - texture,
        "icc_filters": by_image["Original"] - by_image.get("Wavelet", np.nan),
    }


def looks_pair(site: VirtualSite) -> dict[str, str]:
    """The youngest, healthiest and the oldest, sickest bone of a hospital: title and pseudonym."""
    people = site.screened().query("allocation != ''").set_index("patient_id")
    vigour = people["t_score"] / people["t_score"].std() - people["age"] / people["age"].std()
    chosen = people.loc[[vigour.idxmax(), vigour.idxmin()]]
    titles = (
        chosen["sex"] + ", " + chosen["age"].astype(str) + " y, T " + chosen["t_score"].map("{:.1f}".format)
    )
    names = ["Young normal", "Old osteoporotic"]
    return {f"{name}\n{title}": who for name, (who, title) in zip(names, titles.items(), strict=True)}


def evidence_table(simulated: dict[str, float]) -> pd.DataFrame:
    """Simulated against published: the columns of `interval_row`.

    Parameters
    ----------
    simulated : dict
        By the keys of published.csv; missing values are left out.
    """
    published = pd.read_csv(PUBLISHED)
    rows = [
        interval_row(row.quantity, simulated[row.key], row.low, row.high, row.source, row.judged)
        for row in published.itertuples()
        if np.isfinite(simulated.get(row.key, np.nan))
    ]
    return pd.DataFrame(rows)


def evidence_in_words(table: pd.DataFrame) -> str:
    """How many rows of an `evidence_table` lie outside the published range, and which; of those that can."""
    judged = table[table["judged"] == BY_VALUE]
    outside, rest = judged.loc[~judged["within"], "quantity"], len(table) - len(judged)
    named = f" ({'; '.join(outside)})" if len(outside) else ""
    more = f"; {rest} more are shown without a verdict, because they could hardly fail" if rest else ""
    return f"Of {len(judged)} quantities {len(outside)} lie outside the published range{named}{more}."


def printed_evidence(table: pd.DataFrame) -> pd.DataFrame:
    """An `evidence_table` for reading."""
    ends = table[["published_low", "published_high"]].to_numpy(float)
    verdict = table["within"].map({True: "within", False: "outside"})
    return pd.DataFrame(
        {
            "quantity": table["quantity"],
            "simulated": [_three_digits(value) for value in table["simulated"]],
            "published": [_span(low, high) for low, high in ends],
            "verdict": verdict.where(table["judged"] == BY_VALUE, "none: " + table["judged"]),
            "source": table["source"],
        }
    )


def _span(low: float, high: float) -> str:
    if np.isnan(low) or np.isnan(high):
        return f"up to {_three_digits(high)}" if np.isnan(low) else f"{_three_digits(low)} and more"
    return _three_digits(low) if low == high else f"{_three_digits(low)} to {_three_digits(high)}"


def _three_digits(value: float) -> str:
    """Three significant digits; a count of thousands in full."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def interval_row(
    quantity: str, simulated: float, low: float, high: float, source: str, judged: str = BY_VALUE
) -> dict:
    """A row of `evidence_table`: a simulated value beside the published range, NaN an open end.

    ``judged`` is `BY_VALUE`, or why agreement tells nothing.
    """
    # NaN is an open end: any comparison with it is false.
    within = not (simulated < low or simulated > high)
    return {
        "quantity": quantity,
        "simulated": float(simulated),
        "published_low": float(low),
        "published_high": float(high),
        "source": source,
        "within": bool(within),
        "judged": judged,
    }
