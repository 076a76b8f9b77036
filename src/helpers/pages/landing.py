"""What the landing pages show of a run, in English and Chinese: whose data, and the models' AUCs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from helpers.study.contracts import COHORT_TITLES, COHORTS
from helpers.study.run_folder import Run


@dataclass(frozen=True)
class Words:
    """The landing page's words in one language; ``heading`` takes the origin of the data."""

    virtual: str
    real: str
    not_yet: str
    heading: str
    model: str
    models: dict[str, str]
    cohorts: dict[str, str]
    interval: str
    by_construction: str


ENGLISH = Words(
    virtual="**virtual patients**: simulated CT, no real patient",
    real="this study's patients",
    not_yet="_Data: {}. Notebook 06 has not been run yet, so there is no summary._",
    heading="AUC of the three models, **as the paper prints it** and → *as computed here* (95 % CI) on {}.",
    model="Model",
    models={},
    cohorts=COHORT_TITLES,
    interval="({:.3f} to {:.3f})",
    by_construction="The virtual patients were built so that their Table 1 equals the paper's and their "
    "images tell about as much of the T-score as the literature says. Agreement with the paper is therefore "
    "no evidence for it. What can be learnt here is how each step works, and where the results do not "
    "follow: see [the virtual cohort](virtual_cohort.md).",
)
CHINESE = Words(
    virtual="**虚拟队列**（模拟的患者和模拟的 CT，没有真实患者）",
    real="本研究的患者",
    not_yet="_数据：{}。第 6 章尚未运行，因此还没有汇总。_",
    heading="三个模型的 AUC：**论文刊载的数值** → *本次运行的数值*（95% 置信区间）。数据：{}。",
    model="模型",
    models={"clinical": "临床模型", "radiomics": "影像组学模型", "nomogram": "列线图模型"},
    cohorts={"training": "训练集", "internal": "内部验证集", "external": "外部验证集"},
    interval="（{:.3f}~{:.3f}）",
    by_construction="虚拟患者的表 1 按论文设定，图像所含的 T 值信息按文献设定。"
    "因此与论文相符并不能证明论文正确。在这里能学到的，是每一步怎样进行，以及哪些结果与论文不符：见[虚拟队列](../virtual_cohort.md)（英文）。",
)


def staged_files(run: Run) -> dict[str, bytes]:
    """The parts that the landing pages include, by name in the book's sources."""
    origin = CHINESE.virtual if run.study.is_virtual else CHINESE.real
    parts = {"summary.md": summary(run, ENGLISH), "zh/summary.md": summary(run, CHINESE)}
    return {name: text.encode() for name, text in (parts | {"zh/origin.md": f"数据：{origin}。\n"}).items()}


def summary(run: Run, words: Words) -> str:
    """Each model's AUC as the paper prints it and as this run computed it: a Markdown table (table_5)."""
    origin = words.virtual if run.study.is_virtual else words.real
    path = run.table_path("table_5")
    if not path.is_file():
        return words.not_yet.format(origin) + "\n"
    lines = [
        words.heading.format(origin),
        "",
        f"| {words.model} | " + " | ".join(words.cohorts[cohort] for cohort in COHORTS) + " |",
        "|---|" + "---|" * len(COHORTS),
    ]
    for model, rows in pd.read_csv(path).groupby("model", sort=False):
        cells = [_auc_cell(rows.loc[rows["cohort"] == cohort], words) for cohort in COHORTS]
        lines.append(f"| {words.models.get(model, model)} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", words.by_construction if run.study.is_virtual else "", ""])


def _auc_cell(row: pd.DataFrame, words: Words) -> str:
    if row.empty:
        return ""
    found = row.iloc[0]
    if pd.isna(found["auc"]):  # of a group too small to be shown
        return f"**{found['paper_auc']:.3f}** → –"
    interval = words.interval.format(found["ci_low"], found["ci_high"])
    return f"**{found['paper_auc']:.3f}** → *{found['auc']:.3f}* {interval}"
