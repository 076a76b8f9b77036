"""A frozen model whose nomogram was updated for many hospitals: a bundle of its own, applied as any other.

Only the nomogram is another; features, Rad-score, the other models, domain, and the summary of the training
patients stay those of the first model. A cut-off is carried over, not chosen: the recalibration moves the
frozen one as it moves the risks, so that a recalibrated nomogram calls the same patients positive.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from scipy.special import expit, logit

from helpers.errors import StudyError
from helpers.frozen.bundle import Bundle, bundle_hash, write_bundle
from helpers.learning.nomogram import Nomogram
from helpers.study.places import replacing

RECALIBRATED, REFITTED = "recalibrated", "refitted"
CUTOFF_RULE = "frozen cut-offs, the nomogram's moved by its recalibration"
README = "README"


@dataclass(frozen=True)
class Updated:
    """What many hospitals made of a nomogram.

    Attributes
    ----------
    way : str
        `RECALIBRATED` or `REFITTED`.
    coefficients : dict of str to float
        Of the nomogram, its intercept included.
    intercept, slope : float
        Of the recalibration: new log odds = intercept + slope x frozen log odds.
    pool : str
        The files that it was made of.
    hospitals : list of str
        Those whose patients it has learnt from.
    virtual : bool
        Whether these are simulated.
    """

    way: str
    coefficients: dict[str, float]
    intercept: float
    slope: float
    pool: str
    hospitals: list[str]
    virtual: bool


def recalibrated_coefficients(bundle: Bundle, intercept: float, slope: float) -> dict[str, float]:
    """The nomogram's coefficients with which its log odds are intercept + slope x the frozen ones."""
    frozen = bundle.model["nomogram"]["coefficients"]
    moved = {name: slope * value for name, value in frozen.items()}
    return moved | {"Intercept": intercept + slope * frozen["Intercept"]}


def save_updated(bundle: Bundle, folder: Path, update: Updated) -> Path:
    """Write the bundle of an updated model, with a README that says what it is; returns its folder.

    Raises
    ------
    StudyError
        When its coefficients are not those of the nomogram's columns; or when the recalibration turns the
        order of patients round, so that no cut-off holds.
    """
    frozen = bundle.model["nomogram"]
    if set(update.coefficients) != set(frozen["coefficients"]):
        raise StudyError("The updated coefficients are not those of the bundle's nomogram.")
    if not update.slope > 0:
        raise StudyError(
            f"The recalibration's slope is {update.slope:.2f}: the frozen risks order these patients wrongly "
            "or not at all, and no model is made of that."
        )
    chart = Nomogram(update.coefficients, frozen["axes"])
    cutoffs = bundle.model["cutoffs"]
    moved = float(expit(update.intercept + update.slope * logit(cutoffs["nomogram"])))
    content = bundle.model | {
        "title": f"{bundle.model['title']} ({_way(update)})",
        "virtual": bundle.model["virtual"] or update.virtual,
        "nomogram": frozen | chart.to_dict() | {"method": f"{frozen['method']}, {update.way}"},
        "cutoffs": cutoffs | {"rule": CUTOFF_RULE, "nomogram": moved},
        "updated": {
            "way": update.way,
            "from": bundle_hash(bundle),
            "pool": update.pool,
            "hospitals": update.hospitals,
        },
    }
    write_bundle(folder, content, bundle.extraction.read_bytes())
    with replacing(folder / README) as path:
        path.write_text(_page(bundle.model, content), encoding="utf-8")
    return folder


def _way(update: Updated) -> str:
    return f"nomogram {update.way} in {len(update.hospitals)} hospital(s)"


def _page(frozen: Mapping, content: Mapping) -> str:
    """What the bundle is, for who finds the folder."""
    before, now = frozen["nomogram"]["coefficients"], content["nomogram"]["coefficients"]
    rows = [f"{name}: {before[name]:.6g}, {now[name]:.6g}" for name in now]
    updated = content["updated"]
    return _README.format(
        title=content["title"],
        first=updated["from"][:12],
        pool=updated["pool"],
        way=updated["way"],
        hospitals=", ".join(updated["hospitals"]),
        number=len(updated["hospitals"]),
        before=frozen["cutoffs"]["nomogram"],
        now=content["cutoffs"]["nomogram"],
        coefficients="\n".join(rows),
    )


_README = """{title}

The nomogram was {way} by {pool}, from the frozen model {first},
on patients of {hospitals}.

Nothing says yet how well it does: that takes other patients. In the hospitals named here it has learnt from
the very patients on whom it would be judged.

Its cut-off was {before:.4f} and is {now:.4f}: moved with the recalibration, and chosen on nobody's updated
risks. Features, Rad-score, the other models and the domain are those of the frozen model.

Coefficients of the nomogram: frozen, updated
{coefficients}

radbook apply THIS_FOLDER STUDY

更新后的列线图模型：由 {number} 家医院的汇总求和得到，尚未在其他患者中验证。
截断值随再校准移动，并非在任何患者的更新风险上选择。使用方法：radbook apply 本文件夹 研究文件。
"""
