"""What ``radbook init`` says, in English and Chinese: sentences of sentences.yml by their keys."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml

from helpers.intake.guesses import Said, Sureness

Language = Literal["en", "zh"]
_SURENESS: dict[Sureness, dict[Language, str]] = {
    "sure": {"en": "sure", "zh": "确定"},
    "likely": {"en": "likely, please look", "zh": "可能，请核对"},
    "open": {"en": "OPEN, decide", "zh": "待定，请决定"},
}


def say(sentence: Said, language: Language) -> str:
    """A sentence in a language, its gaps filled."""
    return sentences()[sentence.key][language].format(**sentence.values)


def how_sure(sure: Sureness, language: Language) -> str:
    """The word for how sure a guess is."""
    return _SURENESS[sure][language]


@lru_cache(maxsize=1)
def sentences() -> dict[str, dict[Language, str]]:
    """Every sentence by its key, in both languages."""
    return yaml.safe_load(Path(__file__).with_name("sentences.yml").read_text(encoding="utf-8"))
