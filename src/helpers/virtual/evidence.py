"""What a radiologist and a physicist would measure in the virtual cohort, beside what the literature says.

Published ranges are data/virtual/published.csv, results of ten whole replicates data/virtual/ten_seeds.csv
(made by benchmarks/calibrate_virtual.py). Nothing here is used by the analysis.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import SimpleITK as sitk
import yaml
from scipy.ndimage import binary_erosion
from scipy.optimize import curve_fit
from scipy.special import erf
from scipy.stats import ttest_1samp

from helpers.evaluation.delong import delong_auc
from helpers.features.blocks import preprocess
from helpers.features.extraction import extract
from helpers.features.reliability import icc
from helpers.imaging.sources import Scan
from helpers.paper.reported import reported_values
from helpers.study.places import REPOSITORY
from helpers.study.study_file import Study
from helpers.virtual import VirtualSite
from helpers.virtual.patients import simulate_patients

PUBLISHED = REPOSITORY / "data" / "virtual" / "published.csv"
TEN_SEEDS = REPOSITORY / "data" / "virtual" / "ten_seeds.csv"
EVALUATION_SEEDS = range(101, 111)  # fixed before anything was computed with them
MODELS = ["clinical", "radiomics", "nomogram"]
COHORTS = ["training", "internal", "external"]
_FULL_SIZE = {"development": 600, "external": 263}
_BONE_GROUPS = {"hu_osteoporosis": (-9, -2.45), "hu_osteopenia": (-2.45, -0.95), "hu_normal": (-0.95, 9)}
_AORTA_MARGIN_MM = 3.0
_PHANTOM = (48, 128, 128)  # voxels: z, y, x
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
    return people.assign(osteoporosis=(people["t_score"] <= -2.5).astype(int))


def bone_laws(people: pd.DataFrame) -> dict[str, float]:
    """Density by age, sex and T-score, by the keys of published.csv."""
    by_sex = {sex: np.polyfit(of["age"], of["hu_l1"], 1)[0] for sex, of in people.groupby("sex")}
    decades = {f"hu_{age}s": people.loc[people["age"].floordiv(10) * 10 == age] for age in (50, 60, 70)}
    groups = {
        key: people[people["t_score"].between(*limits, inclusive="right")]
        for key, limits in _BONE_GROUPS.items()
    }
    r = people[["t_score", "hu_l1", "hu_t12"]].corr()
    sick = people["osteoporosis"] == 1
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


def _residual_sd(people: pd.DataFrame) -> float:
    design = np.column_stack([np.ones(len(people)), people["age"], people["sex"] == "male"])
    return float(np.std(_residuals(design, people["hu_l1"].to_numpy())))


def _multiple_r(people: pd.DataFrame, columns: list[str]) -> float:
    design = np.column_stack([np.ones(len(people)), people[columns]])
    outcome = people["t_score"].to_numpy()
    return float(np.sqrt(1 - _residuals(design, outcome).var() / outcome.var()))


def _residuals(design: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    return outcome - design @ np.linalg.lstsq(design, outcome, rcond=None)[0]


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


class Physics(NamedTuple):
    """A scanner as a physicist would test it.

    Attributes
    ----------
    noise : DataFrame
        ``frequency`` (cycles/mm) and ``power`` (1 at its peak), round averages.
    edge : DataFrame
        ``distance`` (mm from the edge) and ``hu`` of a 1000 HU step.
    fwhm_mm : float
        Of the point spread, from the edge; the pixel is part of it.
    mtf50 : float
        Frequency at which half of the contrast is left (cycles/mm).
    """

    noise: pd.DataFrame
    edge: pd.DataFrame
    fwhm_mm: float
    mtf50: float


def scanner_physics(site: VirtualSite, patient_id: str) -> Physics:
    """Test the scanner of one patient with a uniform phantom and a slanted edge."""
    pixel = site.scanner(patient_id)["spacing"][0]
    edge = edge_spread(site, patient_id, pixel)
    (_, _, sigma), _ = curve_fit(_edge_curve, edge["distance"], edge["hu"], p0=[1000, 0, 0.5])
    fwhm = 2.3548 * abs(sigma)
    return Physics(noise_spectrum(site, patient_id, pixel), edge, fwhm, 0.4413 / fwhm)


def _edge_curve(x: np.ndarray, height: float, place: float, sigma: float) -> np.ndarray:
    return height / 2 * (1 + erf((x - place) / (np.sqrt(2) * sigma)))


def noise_spectrum(site: VirtualSite, patient_id: str, pixel: float) -> pd.DataFrame:
    """Noise power in the plane by frequency, from a uniform phantom of 40 HU."""
    noise = sitk.GetArrayFromImage(site.scan_phantom(patient_id, np.full(_PHANTOM, 40.0))).astype(float)
    # The mean slice holds the cupping, which is no noise.
    power = (np.abs(np.fft.fft2(noise - noise.mean(axis=0))) ** 2).mean(axis=0)
    radius = np.hypot(*np.meshgrid(*[np.fft.fftfreq(n, pixel) for n in power.shape], indexing="ij"))
    bins = np.arange(0.0125, 0.5 / pixel, 0.025)
    which = np.digitize(radius.ravel(), bins)
    means = [power.ravel()[which == number].mean() for number in range(1, len(bins))]
    return pd.DataFrame({"frequency": (bins[:-1] + bins[1:]) / 2, "power": np.array(means) / max(means)})


def edge_spread(site: VirtualSite, patient_id: str, pixel: float) -> pd.DataFrame:
    """HU across a straight edge, tilted against the pixels so that it is seen finer than they are."""
    y, x = np.meshgrid(*[pixel * (np.arange(n) - n / 2 + 0.5) for n in _PHANTOM[1:]], indexing="ij")
    distance = x * np.cos(0.07) + y * np.sin(0.07)
    phantom = np.broadcast_to(1000 * np.clip(0.5 + distance / pixel, 0, 1), _PHANTOM)
    seen = sitk.GetArrayFromImage(site.scan_phantom(patient_id, phantom)).mean(axis=0)
    bins = np.arange(-4, 4.01, 0.1)
    inner = np.abs(y) < 0.3 * pixel * _PHANTOM[1]
    place = np.digitize(distance[inner], bins)
    hu = [seen[inner][place == number].mean() for number in range(1, len(bins))]
    return pd.DataFrame({"distance": (bins[:-1] + bins[1:]) / 2, "hu": hu})


def voltage_effect(site: VirtualSite, patient_id: str) -> dict[str, float]:
    """Mean HU of bone phantoms at other tube voltages, by the keys of published.csv."""
    seen = {
        "kvp_100": site.scan_phantom(patient_id, np.full(_PHANTOM, 137.0), kvp=100),
        "kvp_140": site.scan_phantom(patient_id, np.full(_PHANTOM, 138.0), kvp=140),
    }
    calibration = sitk.GetArrayFromImage(site.scan_phantom(patient_id, np.full(_PHANTOM, 0.0))).mean()
    return {key: sitk.GetArrayFromImage(image).mean() - calibration for key, image in seen.items()}


def physics_laws(tested: dict[str, Physics]) -> dict[str, float]:
    """Numbers of the scanners' tests, by the keys of published.csv; noise from the first hospital's."""
    noise = next(iter(tested.values())).noise
    return {
        "nps_low": noise.loc[(noise["frequency"] - 0.05).abs().idxmin(), "power"],
        "nps_peak": noise.loc[noise["power"].idxmax(), "frequency"],
        **{f"fwhm_{role}": physics.fwhm_mm for role, physics in tested.items()},
    }


def same_pixel_pairs(home: VirtualSite, away: VirtualSite, n: int) -> list[tuple[str, str]]:
    """Up to ``n`` patients of one hospital, each with one of the other whose scan has the same voxels."""
    hosts = {away.scanner(host)["spacing"]: host for host in reversed(included(away))}
    spacings = {patient: home.scanner(patient)["spacing"] for patient in included(home)}
    return [(patient, hosts[voxel]) for patient, voxel in spacings.items() if voxel in hosts][:n]


def rescan(
    home: VirtualSite, away: VirtualSite, patient_id: str, host: str, settings: dict
) -> tuple[dict[str, float], ...]:
    """Features of one patient scanned at home, again at home, and on the scanner of ``host``; same mask."""
    image, mask = home.acquire(patient_id)
    tissue = sitk.GetArrayFromImage(home.truth(patient_id).noise_free)
    scans = [image, home.scan_phantom(patient_id, tissue), away.scan_phantom(host, tissue)]
    for scan in scans[1:]:
        scan.CopyInformation(image)
    return tuple(extract(preprocess(Scan(scan, mask), settings), settings) for scan in scans)


def scanner_shift(rescans: list[tuple[dict[str, float], ...]]) -> pd.DataFrame:
    """Shift of each feature on rescanning, in SDs between patients.

    Returns
    -------
    DataFrame
        Index feature; ``same`` and ``other`` (mean shift on the same and on the other hospital's scanner)
        and ``p_value`` (paired t-test of the other against home).
    """
    first, again, away = (pd.DataFrame(list(rows)) for rows in zip(*rescans, strict=True))
    spread = first.std(ddof=1)
    varying = spread[spread > 1e-9 * first.abs().max()].index
    moved = (away - first)[varying]
    moving = moved.std(ddof=1) > 0
    p_value = pd.Series(np.nan, index=varying)
    p_value[moving] = ttest_1samp(moved.loc[:, moving], 0).pvalue
    shifts = {
        "same": (again - first)[varying].mean() / spread[varying],
        "other": moved.mean() / spread[varying],
    }
    return pd.DataFrame({**shifts, "p_value": p_value})


def reliability_order(agreement: pd.DataFrame, threshold: float = 0.80) -> dict[str, float]:
    """Shares of features above the ICC threshold, compared between classes and images (published.csv)."""
    steady = agreement.assign(steady=agreement["icc"] > threshold)
    by_class = steady.groupby("feature_class")["steady"].mean()
    texture = steady.loc[~steady["feature_class"].isin(["shape", "firstorder"]), "steady"].mean()
    by_image = steady.groupby(steady["image_type"].replace({"LoG": "Wavelet"}))["steady"].mean()
    return {
        "icc_shape": by_class["shape"] - texture,
        "icc_firstorder": by_class["firstorder"] - texture,
        "icc_filters": by_image["Original"] - by_image.get("Wavelet", np.nan),
    }


def ten_seeds() -> pd.DataFrame:
    """Results of the whole analysis on seeds fixed beforehand, one row a seed."""
    return pd.read_csv(TEN_SEEDS)


def seeds_table(seeds: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds of every AUC and feature count, beside the paper's: rows as `evidence_table`."""
    rows = [
        _row(f"AUC, {model}, {cohort}", seeds[f"{model}_{cohort}"].mean(), *_interval(model, cohort))
        for model in MODELS
        for cohort in COHORTS
    ]
    rows += [
        _row(
            f"AUC, {better} minus {worse}, {cohort}",
            (seeds[f"{better}_{cohort}"] - seeds[f"{worse}_{cohort}"]).mean(),
            0,
            np.nan,
            f"The paper: {better} above {worse}",
        )
        for worse, better in pairwise(MODELS)
        for cohort in COHORTS
    ]
    hu = "The paper's introduction: 0.65 to 0.72; 0.74 in doi 10.1186/s13244-023-01400-1"
    rows += [
        _row(f"AUC, HU alone, {cohort}", seeds[f"hu_{cohort}"].mean(), 0.65, 0.76, hu) for cohort in COHORTS
    ]
    steps = {
        "mann_whitney": "Mann-Whitney U",
        "spearman": "Spearman",
        "mrmr": "mRMR",
        "lasso": "LASSO",
    }
    for key, step in steps.items():
        printed = _printed("Text 3.2", "training", "features", f"after {step}")["value"]
        source = f"The paper 3.2: {printed}, within a factor of 2"
        rows.append(
            _row(f"Features after {step}", seeds[key].mean(), float(printed) / 2, 2 * float(printed), source)
        )
    return pd.DataFrame(rows)


def _interval(model: str, cohort: str) -> tuple[float, float, str]:
    printed = _printed("Table 5", cohort, model, "auc")
    source = "The paper's Table 5: 95 % CI"
    if cohort == "external" and model == "clinical":
        source += "; does not follow from its Table 1"
    return printed["ci_low"], printed["ci_high"], source


def _printed(*keys: str) -> pd.Series:
    table = reported_values().set_index(["item", "cohort", "subject", "metric"]).sort_index()
    return table.loc[keys]


def model_aucs(predictions: pd.DataFrame) -> dict[str, float]:
    """AUC of the three models by <model>_<cohort>, from the ``predictions`` artifact."""
    chosen = predictions[predictions["model"].isin(MODELS)]
    return {
        f"{model}_{cohort}": delong_auc(rows["osteoporosis"], rows["probability"]).auc
        for (model, cohort), rows in chosen.groupby(["model", "cohort"])
    }


def published_aucs() -> pd.DataFrame:
    """The paper's AUCs: model, cohort, auc, low, high (95 % CI)."""
    rows = [
        (model, cohort, _printed("Table 5", cohort, model, "auc")) for cohort in COHORTS for model in MODELS
    ]
    return pd.DataFrame(
        [(model, cohort, float(row["value"]), row["ci_low"], row["ci_high"]) for model, cohort, row in rows],
        columns=["model", "cohort", "auc", "low", "high"],
    )


def seeds_summary(seeds: pd.DataFrame, this_run: dict[str, float]) -> pd.DataFrame:
    """Spread of each AUC over the seeds, and where this run falls: how many seeds lie below it."""
    table = published_aucs()
    columns = [seeds[f"{row.model}_{row.cohort}"] for row in table.itertuples()]
    found = [this_run.get(f"{row.model}_{row.cohort}", np.nan) for row in table.itertuples()]
    return table.assign(
        mean=[values.mean() for values in columns],
        sd=[values.std(ddof=1) for values in columns],
        lowest=[values.min() for values in columns],
        highest=[values.max() for values in columns],
        this_run=found,
        seeds_below=[int((values < value).sum()) for values, value in zip(columns, found, strict=True)],
    )


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
    """Simulated against published: quantity, simulated, published_low, published_high, source, within.

    Parameters
    ----------
    simulated : dict
        By the keys of published.csv; missing values are left out.
    """
    published = pd.read_csv(PUBLISHED)
    rows = [
        _row(row.quantity, simulated[row.key], row.low, row.high, row.source)
        for row in published.itertuples()
        if np.isfinite(simulated.get(row.key, np.nan))
    ]
    return pd.DataFrame(rows)


def _row(quantity: str, simulated: float, low: float, high: float, source: str) -> dict:
    # NaN is an open end: any comparison with it is false.
    within = not (simulated < low or simulated > high)
    return {
        "quantity": quantity,
        "simulated": float(simulated),
        "published_low": float(low),
        "published_high": float(high),
        "source": source,
        "within": bool(within),
    }
