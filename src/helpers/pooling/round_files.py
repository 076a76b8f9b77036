"""The files of an update: what a centre asks of hospitals in a round, and what one answers.

Like share/site.json they are plain JSON with a checksum, and the models below are the only list of fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError

from helpers.errors import StudyError
from helpers.pooling.contract import Digest, Finite, Text, checksum, told
from helpers.study.places import write_json
from helpers.study.sites import Strict

ROUND_VERSION = 1
RECALIBRATION, NOMOGRAM = "recalibration", "nomogram"
Fit = Literal["recalibration", "nomogram"]
_SEND = "Ask for it again."


class Column(Strict):
    """A column of the nomogram, and how it is scaled in the rounds."""

    name: Text
    centre: Finite
    scale: Annotated[Finite, Field(gt=0)]


class Asked(Strict):
    """One fit in a round: the coefficients (intercept first) at which sums are asked, and of which files."""

    coefficients: list[Finite]
    of: list[Digest]


class Request(Strict):
    """What the centre asks."""

    format: Literal["radbook round, asked"]
    version: Literal[1]
    pool: Text
    bundle: Digest
    series: Digest
    round: Annotated[int, Field(ge=1)]
    columns: list[Column]
    fits: dict[Fit, Asked]
    sha256: Digest


class Added(Strict):
    """What a hospital's patients add to one fit."""

    gradient: list[Finite] = told(
        "sum over its patients of (outcome - risk) x value, of each column",
        "各列之和：（结局 - 风险）x 数值，对本院患者求和",
    )
    information: list[list[Finite]] = told(
        "sum over its patients of risk x (1 - risk) x value x value, of each pair of columns",
        "每两列之和：风险 x（1 - 风险）x 数值 x 数值，对本院患者求和",
    )
    log_likelihood: Finite = told(
        "sum over its patients of the log of the chance given to what was seen",
        "对实际结局所给概率的对数之和",
    )


class Answer(Strict):
    """share/round_NN.json."""

    format: Literal["radbook round, answered"] = told("what kind of file this is", "文件类型")
    version: Literal[1] = told("version of this list of fields", "字段表版本")
    site: Digest = told("checksum of the hospital's site.json", "本院 site.json 的校验和")
    request: Digest = told("checksum of what was asked", "所回答请求的校验和")
    series: Digest = told("which update it is a part of", "所属的更新")
    round: Annotated[int, Field(ge=1)] = told("its number", "轮次")
    fits: dict[Fit, Added | Text] = told(
        "what the hospital's patients add to each fit, or why it is not told",
        "本院患者对每个拟合的贡献，或不提供的原因",
    )
    sha256: Digest = told("checksum of all of the above", "以上全部内容的校验和")


Kind = TypeVar("Kind", Request, Answer)


def file_of(number: int) -> str:
    """What the file of a round is called, asked or answered."""
    return f"round_{number:02d}.json"


def with_checksum(content: dict) -> dict:
    """The content of a file with its ``sha256``."""
    return content | {"sha256": checksum(content)}


def write_round(path: Path, content: Request | Answer) -> None:
    """Write one file."""
    write_json(path, content.model_dump(mode="json"))


def read_round(path: Path, kind: type[Kind]) -> Kind:
    """Read one file.

    Raises
    ------
    StudyError
        When it is not there, damaged, edited, of another version or of another kind; the message begins with
        the file.
    """
    name = f"'{path.parent.name}/{path.name}'"
    if not path.is_file():
        raise StudyError(f"{name} is not there.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise StudyError(f"{name} is damaged: it is no whole JSON text. {_SEND}") from None
    if not isinstance(content, Mapping) or content.get("format") != _format(kind):
        raise StudyError(f"{name} is no file of a round that was {_format(kind).split(', ')[1]}.")
    if content.get("version") != ROUND_VERSION:
        raise StudyError(f"{name} is of another version: all hospitals and the centre need the same radbook.")
    if content.get("sha256") != checksum(content):
        raise StudyError(f"{name} was edited, or damaged on its way: its checksum is wrong. {_SEND}")
    try:
        return kind.model_validate(content)
    except ValidationError:
        raise StudyError(f"{name} does not keep to its contract. {_SEND}") from None


def _format(kind: type[Kind]) -> str:
    return kind.model_fields["format"].annotation.__args__[0]
