"""The contract of share/site.json: its fields, with the words that tell a privacy officer what each one is.

The models below are the only list of the fields: files are validated by them, and share/README
(`helpers.pooling.readme`) is made of them.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from helpers.study.content_hash import content_hash
from helpers.study.sites import Strict
from helpers.study.small_counts import HIDDEN

FORMAT = "radbook site"
VERSION = 1
SITE_FILE = "site.json"
SHOWN = 12  # characters of a checksum that stand for it
NOT_ESTIMABLE = "not estimable"

Mark = Annotated[str, Field(pattern=rf"^(<\d+|{HIDDEN})$")]
Count = Annotated[int, Field(ge=0, strict=True)] | Mark
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Value = Finite | Literal["hidden", "not estimable"]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(min_length=1, max_length=200)]


def told(english: str, chinese: str, **more: Any) -> Any:
    """A field with its words for the privacy officer."""
    return Field(description=english, json_schema_extra={"zh": chinese}, **more)


class Moments(Strict):
    """Mean and standard deviation of a number over many patients."""

    mean: Value = told("mean", "均值")
    sd: Value = told("standard deviation (divided by n)", "标准差（除以 n）")


# A mean with its SD could be read as a table of two categories: it comes first.
Described = Annotated[Moments | dict[str, Count], Field(union_mode="left_to_right")]
Summarised = Annotated[Moments | dict[str, Finite], Field(union_mode="left_to_right")]


class Calibration(Strict):
    """Whether predicted risks agree with what was seen."""

    intercept: Value = told("intercept of the recalibration", "再校准截距")
    slope: Value = told("slope of the recalibration", "再校准斜率")
    in_the_large: Value = told("intercept with the slope fixed at 1", "斜率固定为 1 时的截距")
    in_the_large_variance: Value = told("its variance", "其方差")
    observed_expected: Value = told("events seen over events predicted", "观察事件数与预测事件数之比")
    covariance: list[list[Value]] = told(
        "3 x 3 covariance matrix of intercept, slope and log(observed / expected)",
        "截距、斜率和 log（观察/预测）的 3 x 3 协方差矩阵",
        min_length=3,
        max_length=3,
    )


class Confusion(Strict):
    """What the model's frozen cut-off gives."""

    cutoff: Finite = told("the frozen cut-off, the same in every hospital", "冻结的截断值，各医院相同")
    true_positive: Count = told("patients with the outcome at or above it", "达到截断值且有结局的患者数")
    false_positive: Count = told("patients without the outcome at or above it", "达到截断值但无结局的患者数")
    true_negative: Count = told("patients without the outcome below it", "低于截断值且无结局的患者数")
    false_negative: Count = told("patients with the outcome below it", "低于截断值但有结局的患者数")


class Benefit(Strict):
    """Net benefit of acting on the model at one threshold."""

    threshold: Finite = told("risk from which one would act", "采取行动的风险阈值")
    net_benefit: Value = told("net benefit a patient", "每位患者的净获益")
    variance: Value = told("its variance", "其方差")


class Measures(Strict):
    """How well one model does."""

    auc: Value = told("area under the ROC curve", "ROC 曲线下面积")
    calibration: Calibration | None = told(
        "agreement of risks with outcomes; none for a measurement that is no risk",
        "风险与结局的一致性；非风险的测量值没有此项",
    )
    confusion: Confusion | None = told("counts at the frozen cut-off", "冻结截断值下的计数")
    net_benefit: list[Benefit] = told("net benefit at the stated thresholds", "规定阈值下的净获益")


class Hospital(Strict):
    """The patients of one hospital, as aggregates."""

    label: Text = told("what the hospital wants to be called in pooled results", "医院在汇总结果中的名称")
    role: Literal["development", "external"] = told(
        "whether the model learnt from other patients of this hospital, or of none",
        "模型是否学习过该医院的其他患者",
    )
    patients: Count = told("patients on whom the model was judged", "用于评价模型的患者数")
    events: Count = told("how many of them have the outcome", "其中有结局的患者数")
    models: dict[str, Measures] = told(
        "how well each model does (clinical, radiomics, nomogram, mean HU)",
        "各模型的表现（临床、影像组学、列线图、平均 HU）",
    )
    auc_covariance: dict[str, dict[str, Value]] = told(
        "DeLong's variances of the AUCs and their covariances, model by model",
        "各模型 AUC 的 DeLong 方差与协方差",
    )
    described: Count = told(
        "patients over whom the means below are taken: all who were measured",
        "下列均值所依据的患者数：所有完成测量的患者",
    )
    predictors: dict[str, Described] = told(
        "clinical predictors: mean and SD of all who were measured, or how many of the judged patients are "
        "in each category; rare categories stand together as 'other'",
        "临床预测因子：所有完成测量者的均值和标准差，或被评价患者中各类别的人数；罕见类别合并为 other",
    )
    features: dict[str, Moments] = told(
        "radiomics features of the model: mean and SD of all who were measured",
        "模型所用影像组学特征：所有完成测量者的均值和标准差",
    )
    scans: dict[str, Described] = told(
        "what the scans' headers say of scanner, kernel, tube voltage and spacing, in the same way; empty "
        "where features came ready-made",
        "扫描头信息（扫描仪、重建核、管电压、间距），方式同上；直接提供特征时为空",
    )


class FlowRow(Strict):
    """One box of the flow chart."""

    site: str = told("the hospital's own site, empty where there is one", "医院内部的站点；仅一个时为空")
    stage: Text = told("how far the patients got", "患者所处阶段")
    reason: str = told("why they left, as a category", "退出原因（类别）")
    patients: Count = told("how many they are", "人数")
    outcome: Count | None = told("how many of them have the outcome", "其中有结局的人数")


class SiteFile(Strict):
    """share/site.json."""

    format: Literal["radbook site"] = told("what kind of file this is", "文件类型")
    version: Literal[1] = told("version of this list of fields", "字段表版本")
    software: Text = told("version of radbook that wrote it", "写入此文件的 radbook 版本")
    study: Text = told("name of the study file", "研究文件名称")
    made_by: Literal["run", "apply"] = told("which command wrote it", "生成此文件的命令")
    virtual: bool = told("whether the patients are simulated", "患者是否为模拟")
    model_virtual: bool = told("whether the model learnt from simulated patients", "模型是否由模拟患者训练")
    outcome: Text = told("the outcome, and the rule that makes it", "结局及其判定规则")
    outcome_name: Text = told("the outcome's name", "结局名称")
    bundle: Digest = told("SHA-256 of the frozen model", "冻结模型的 SHA-256")
    settings: Digest = told("SHA-256 of the extraction settings", "特征提取设置的 SHA-256")
    engine: dict[str, str] = told("versions of the programs that computed features", "计算特征的程序版本")
    min_cell: Annotated[int, Field(ge=0)] = told(
        "smallest number of patients that is told (0: all are)", "可公开的最小人数（0：全部公开）"
    )
    training: dict[str, Summarised] = told(
        "what the frozen model itself tells of the patients it learnt from: means and SDs, or shares",
        "冻结模型自带的训练患者摘要：均值和标准差，或比例",
    )
    flow: list[FlowRow] = told("the flow chart's counts", "流程图人数")
    hospitals: list[Hospital] = told("the hospitals' aggregates", "各医院的汇总数据", min_length=1)
    sha256: Digest = told("checksum of all of the above", "以上全部内容的校验和")


def named(kind: str, checksum: str) -> str:
    """A checksum in short, as a word: 25e544392347 alone is a number to whoever reads a table of it."""
    return f"{kind}-{checksum[:SHOWN]}"


def checksum(content: dict[str, Any]) -> str:
    """SHA-256 of a file's content without its own ``sha256``; the order of keys and spaces do not matter."""
    told = {name: value for name, value in content.items() if name != "sha256"}
    return content_hash(json.dumps(told, sort_keys=True, ensure_ascii=False, separators=(",", ":")))
