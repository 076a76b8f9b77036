"""Drawings of the appendix on the virtual cohort: simulated quantities, the published range beside them."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import SimpleITK as sitk
from matplotlib.figure import Figure

from helpers.imaging.slices import cut, layer_centre
from helpers.plots.panels import NARROW
from helpers.plots.regions import draw_hu
from helpers.plots.style import (
    COHORT_COLOURS,
    MODEL_COLOURS,
    SOURCE_COLOURS,
    cohort_panels,
    legend_beside,
    panel_grid,
)

SEX_COLOURS = {"female": "#CC79A7", "male": "#0072B2"}
HOSPITAL_COLOURS = {"development": "#0072B2", "external": "#009E73"}
HOSPITAL_TITLES = {"development": "Hospital 1", "external": "Hospital 2"}
RANGE_COLOUR = "#DDDDDD"
_GROUPS = {"hu_osteoporosis": "Osteoporosis", "hu_osteopenia": "Osteopenia", "hu_normal": "Normal"}
_SHOWN = 600  # patients drawn as points, of several thousand


def looks_figure(scans: dict[str, tuple[sitk.Image, sitk.Image]]) -> Figure:
    """Axial, sagittal and coronal slices at bone window; one row, with its title, for each image and mask."""
    planes = {"axial": (5,), "sagittal": (2, 5), "coronal": (2, 5)}
    figure, axes = plt.subplots(len(scans), 3, figsize=(NARROW, 1.6 * len(scans)), squeeze=False)
    for row, (title, (image, mask)) in zip(axes, scans.items(), strict=True):
        for ax, (plane, layers) in zip(row, planes.items(), strict=True):
            draw_hu(ax, cut(image, mask, plane, layer_centre(mask, layers)))
            ax.set(xticks=[], yticks=[], title=plane.capitalize() if row is axes[0] else "")
            ax.spines[:].set_visible(False)
        row[0].set_ylabel(title, fontsize=9)
    return figure


def density_figure(people: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """L1 HU by age and sex, and by bone group, each with the published range."""
    figure, (left, right) = panel_grid(2, 3.4, sharey=True)
    for decade in (50, 60, 70):
        low, high = published.loc[f"hu_{decade}s", ["low", "high"]]
        left.fill_between([decade, decade + 9.9], low, high, color=RANGE_COLOUR, zorder=0)
    for sex, rows in people.groupby("sex"):
        some = rows.head(_SHOWN)
        left.plot(some["age"], some["hu_l1"], ".", color=SEX_COLOURS[sex], markersize=2, alpha=0.35)
        means = rows.groupby(rows["age"] // 5 * 5)["hu_l1"].mean()
        left.plot(means.index + 2, means, "o-", color=SEX_COLOURS[sex], label=f"{sex}, mean of 5 years")
    left.set(xlabel="Age (years)", ylabel="True mean HU of L1", xlim=(49, 86))
    right.set_ylabel("True mean HU of L1")
    left.legend(loc="upper right")
    for place, key in enumerate(_GROUPS):
        low, high = published.loc[key, ["low", "high"]]
        right.fill_between([place - 0.4, place + 0.4], low, high, color=RANGE_COLOUR, zorder=0)
    groups = np.digitize(people["t_score"], [-2.45, -0.95])
    values = [people.loc[groups == place, "hu_l1"] for place in range(3)]
    right.boxplot(values, positions=range(3), widths=0.45, showfliers=False, medianprops={"color": "black"})
    right.plot(range(3), [part.mean() for part in values], "D", color="#D55E00", label="mean")
    right.set_xticks(range(3), _GROUPS.values())
    right.legend(loc="upper left")
    return figure


def correlation_figure(people: pd.DataFrame, measured: pd.DataFrame) -> Figure:
    """L1 HU against T-score, T12 against L1, and measured against true HU."""
    figure, axes = panel_grid(3, 2.8)
    some = people.sample(min(_SHOWN, len(people)), random_state=0)
    pairs = [
        (people, some, "t_score", "hu_l1", "DXA T-score", "L1 HU"),
        (people, some, "hu_l1", "hu_t12", "L1 HU", "T12 HU"),
        (measured, measured, "hu_l1", "hu_measured", "True L1 HU", "Measured L1 HU"),
    ]
    for ax, (everyone, drawn, x, y, xlabel, ylabel) in zip(axes, pairs, strict=True):
        ax.plot(drawn[x], drawn[y], ".", color="#0072B2", markersize=3, alpha=0.5)
        ax.set(xlabel=xlabel, ylabel=ylabel)
        ax.set_title(f"r = {everyone[x].corr(everyone[y]):.3f}, n = {len(everyone)}", fontsize=9)
    return figure


def texture_figure(measured: pd.DataFrame) -> Figure:
    """Variogram slope and anisotropy of single patients against their micro-structure."""
    figure, axes = panel_grid(2, 3.0)
    labels = {
        "variogram_slope": "Variogram slope, across the spine",
        "anisotropy": "Variogram, across over along",
    }
    structure = measured["micro_structure"]
    ends = np.array([structure.min(), structure.max()])
    for ax, (column, label) in zip(axes, labels.items(), strict=True):
        ax.plot(structure, measured[column], "o", color="#0072B2", markersize=4)
        ax.plot(ends, np.polyval(np.polyfit(structure, measured[column], 1), ends), color="#D55E00")
        ax.set(xlabel="Micro-structure (z; high = healthy)", ylabel=label)
        ax.set_title(f"r = {structure.corr(measured[column]):.2f}, n = {len(measured)}", fontsize=9)
    axes[1].axhline(1, color="#777777", linewidth=0.8, linestyle=":")
    return figure


def scanner_figure(noise: dict[str, pd.Series], tested: dict, published: pd.DataFrame) -> Figure:
    """Noise in the aorta, noise power, edge and contrast transfer of both hospitals' scanners.

    Parameters
    ----------
    noise : dict of str to Series
        SD in the aorta of single patients (HU), by hospital.
    tested : dict of str to Physics
        From `helpers.chapters.scanner_tests.scanner_physics`, by hospital.
    published : DataFrame
        published.csv, indexed by key.
    """
    figure, (aorta, power, edge, transfer) = panel_grid(4, 2.8)
    frequency = np.linspace(0, 1.2, 100)
    aorta.axhspan(*published.loc["noise_development", ["low", "high"]].astype(float), color=RANGE_COLOUR)
    for place, (role, values) in enumerate(noise.items()):
        colour, title, physics = HOSPITAL_COLOURS[role], HOSPITAL_TITLES[role], tested[role]
        spread = np.linspace(-0.2, 0.2, len(values))
        aorta.plot(place + spread, values, "o", color=colour, markersize=4)
        power.plot(physics.noise["frequency"], physics.noise["power"], color=colour, label=title)
        edge.plot(physics.edge["distance"], physics.edge["hu"], ".-", color=colour, linewidth=0.8)
        transfer.plot(frequency, 0.5 ** ((frequency / physics.mtf50) ** 2), color=colour)
    aorta.set_xticks(range(len(noise)), [HOSPITAL_TITLES[role] for role in noise])
    aorta.set(ylabel="SD in the aorta (HU)", ylim=(15, 32), xlim=(-0.5, len(noise) - 0.5))
    power.set(xlabel="Frequency (cycles/mm)", ylabel="Noise power (peak = 1)")
    power.legend()
    edge.set(xlabel="Distance from a 1000 HU edge (mm)", ylabel="HU", xlim=(-1.6, 1.6))
    transfer.axhline(0.5, color="#777777", linewidth=0.8, linestyle=":")
    transfer.set(xlabel="Frequency (cycles/mm)", ylabel="Contrast left (MTF)")
    return figure


def shift_figure(shift: pd.DataFrame) -> Figure:
    """How far features move on rescanning: on the same, and on the other hospital's scanner."""
    figure, ax = plt.subplots(figsize=(NARROW, 3))
    kinds = {"same": ("Same scanner, again", "#999999"), "other": ("Other hospital's scanner", "#D55E00")}
    for column, (label, colour) in kinds.items():
        values = np.sort(shift[column].abs())
        ax.plot(values, np.linspace(0, 1, len(values)), color=colour, label=label)
    ax.set(xlabel="Mean shift of a feature (SDs between patients)", ylabel="Share of features", xlim=(0, 1))
    ax.legend(loc="lower right")
    return figure


def reader_figure(measured: pd.DataFrame, summary: pd.DataFrame) -> Figure:
    """Mean HU of two readers (Bland-Altman), and the share of steady features by class."""
    figure, (left, right) = panel_grid(2, 3.0)
    difference = measured["hu_reader2"] - measured["hu_reader1"]
    mean = measured[["hu_reader1", "hu_reader2"]].mean(axis=1)
    left.plot(mean, difference, "o", color="#0072B2", markersize=4)
    for side, dashes in ((0, "-"), (-1.96, ":"), (1.96, ":")):
        left.axhline(difference.mean() + side * difference.std(), color="#D55E00", linestyle=dashes)
    left.set(xlabel="Mean HU of the two readers", ylabel="Reader 2 minus reader 1 (HU)")
    summary = summary.set_index("feature_class")
    shares = (summary["above"] / summary["features"]).drop("all").sort_values()
    right.barh(shares.index, shares, color="#0072B2")
    right.set(xlabel="Share of features with ICC > 0.80", xlim=(0, 1))
    return figure


def seeds_figure(seeds: pd.DataFrame, this_run: dict[str, float], published: pd.DataFrame) -> Figure:
    """AUC of three models in three cohorts: every seed, this run, and the paper's 95 % interval.

    Parameters
    ----------
    seeds : DataFrame
        From `helpers.chapters.replicates.ten_seeds`.
    this_run : dict
        AUC by <model>_<cohort>; may be empty.
    published : DataFrame
        Rows of the AUCs: columns model, cohort, low, high, auc.
    """
    figure, axes = cohort_panels(list(COHORT_COLOURS), 2.8, sharey=True)
    for ax, cohort in zip(axes, COHORT_COLOURS, strict=True):
        rows = published[published["cohort"] == cohort]
        for place, row in enumerate(rows.itertuples()):
            name, ends = f"{row.model}_{cohort}", [place - 0.35, place + 0.35]
            ax.fill_between(ends, row.low, row.high, color=RANGE_COLOUR, label="paper, 95 % CI")
            ax.plot(ends, [row.auc] * 2, color=SOURCE_COLOURS["paper"], linewidth=1)
            spread = place + np.linspace(-0.2, 0.2, len(seeds))
            ax.plot(spread, seeds[name], "o", color=MODEL_COLOURS[row.model], markersize=4, alpha=0.7)
            ax.plot(place, seeds[name].mean(), "_", color="black", markersize=16, label="mean of the seeds")
            if name in this_run:
                ax.plot(
                    place,
                    this_run[name],
                    "*",
                    color=SOURCE_COLOURS["computed"],
                    markersize=9,
                    label="this run",
                )
        ax.set_xticks(range(len(rows)), rows["model"])
        ax.set(xlim=(-0.5, len(rows) - 0.5), ylabel="AUC")
    handles, labels = axes[0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    legend_beside(figure, [*unique.values()], [*unique], len(axes))
    return figure


def twins_figure(shares: pd.DataFrame) -> Figure:
    """Share of a real patient's features inside the twins' central 99 %, by image type and class.

    Parameters
    ----------
    shares : DataFrame
        From `helpers.chapters.twins.shares`.
    """
    scans = list(shares["scan"].unique())
    figure, axes = plt.subplots(len(scans), 1, figsize=(NARROW, 3.4 * len(scans)), squeeze=False)
    for ax, scan in zip(axes[:, 0], scans, strict=True):
        rows = shares[shares["scan"] == scan]
        table = rows.pivot(index="image_type", columns="feature_class", values="inside")
        table = table.reindex(index=rows["image_type"].unique(), columns=rows["feature_class"].unique())
        ax.imshow(table, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        for (row, column), share in np.ndenumerate(table.to_numpy()):
            ax.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                color="black" if share > 0.5 else "white",
            )
        ax.set_xticks(range(table.shape[1]), table.columns, rotation=45, ha="right")
        ax.set_yticks(range(table.shape[0]), table.index)
        ax.set_title(f"{scan}: features inside (%)")
        ax.grid(False)
    return figure
