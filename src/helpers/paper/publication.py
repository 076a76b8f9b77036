"""A paper as the audit sees it: its printed numbers, and a design file that says what their words mean.

Metrics that are understood, each for the subjects that have it: n, a level ("male"), <level>_percent,
prevalence_percent; age_mean, age_sd, age_min, age_max (or any other characteristic); p_value; univariable_or;
auc, sensitivity, specificity, accuracy, ppv, npv; delong_z, delong_p; lambda, ln_lambda; numbers of the
subject "features". All others are only compared between the places that print them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import ValidationError

from helpers.errors import StudyError
from helpers.paper.printed import (
    CONSISTENT,
    INCONSISTENT,
    ROUNDING,
    Entry,
    Printed,
    Recomputed,
    Reported,
    compare,
    read_reported,
)
from helpers.study.places import resolve
from helpers.study.sites import Strict

UNDECIDED = "cannot be checked"
VERDICTS = [CONSISTENT, ROUNDING, INCONSISTENT, UNDECIDED]


class Clinical(Strict):
    """A model of one continuous and one two-level characteristic, fitted on one cohort."""

    model: str
    fitted_on: str
    continuous: str
    category: str


class Features(Strict):
    """How the number of features comes about, and what the CSV calls the first and the last number."""

    shape: int
    per_image: int
    extracted: str
    selected: str


class Design(Strict):
    """What the audit must know of a paper besides its numbers; data/paper/design.yml explains each key."""

    cases: str
    controls: str
    baseline: str
    totals: dict[str, list[str]] = {}
    categories: dict[str, tuple[str, str]] = {}
    same: dict[str, str] = {}
    clinical: Clinical | None = None
    features: Features | None = None
    chosen: str | None = None

    def parts(self, cohort: str) -> list[str]:
        """The cohorts of the baseline table that make up ``cohort``."""
        return self.totals.get(cohort, [cohort])

    @property
    def groups(self) -> list[str]:
        """The two groups, cases first."""
        return [self.cases, self.controls]


class Moments(NamedTuple):
    """A continuous characteristic in the groups of a cohort: sizes, means and SDs, cases first."""

    sizes: list[int]
    means: list[Printed]
    sds: list[Printed]


class Check(NamedTuple):
    """One line of the audit."""

    check: str
    where: str
    reported: str
    recomputed: str
    verdict: str
    sentence: str


@dataclass(frozen=True)
class Publication:
    """Printed numbers with their design, and look-ups in the baseline table (None where it has a gap)."""

    reported: Reported
    design: Design

    def sizes(self, cohort: str) -> tuple[int, int] | None:
        """Patients with and without the disease of a cohort or total."""
        found = [self.count(cohort, "n", group) for group in self.design.groups]
        return None if None in found else (int(found[0]), int(found[1]))

    def count(self, cohort: str, metric: str, group: str | None = None) -> float | None:
        """A count, summed over the parts of a total and, without ``group``, over both groups."""
        groups = [group] if group else self.design.groups
        places = [(part, name) for part in self.design.parts(cohort) for name in groups]
        found = [self.reported.get(self.design.baseline, *place, metric) for place in places]
        return None if None in found else sum(value.number for value in found)

    def counts_by_group(self, cohort: str, category: str) -> NDArray | None:
        """Counts of one cohort, shape (levels, groups)."""
        levels = self.design.categories[category]
        rows = [[self.count(cohort, level, group) for group in self.design.groups] for level in levels]
        return _complete(rows)

    def counts_by_cohort(self, cohorts: list[str], category: str) -> NDArray | None:
        """Counts of several cohorts, shape (levels, cohorts); "prevalence" has the two groups as levels."""
        if category == "prevalence":
            rows = [[self.count(cohort, "n", group) for cohort in cohorts] for group in self.design.groups]
        else:
            levels = self.design.categories[category]
            rows = [[self.count(cohort, level) for cohort in cohorts] for level in levels]
        return _complete(rows)

    def moments(self, cohort: str, name: str) -> Moments | None:
        """Sizes, means and SDs of the groups of a cohort or total."""
        places = [(part, group) for part in self.design.parts(cohort) for group in self.design.groups]
        columns = [
            [self.reported.get(self.design.baseline, *place, metric) for place in places]
            for metric in ("n", f"{name}_mean", f"{name}_sd")
        ]
        if any(None in column for column in columns):
            return None
        return Moments([int(size.number) for size in columns[0]], columns[1], columns[2])

    def limits(self, cohort: str, name: str) -> tuple[float, float] | None:
        """Smallest and largest printed value of the cohort, or of a total that it is part of."""
        for lowest in self.reported.select(metric=f"{name}_min"):
            highest = self.reported.get(*lowest[:3], f"{name}_max")
            if cohort in self.design.parts(lowest.cohort) and highest is not None:
                return lowest.value.number, highest.number
        return None


def _complete(rows: list[list[float | None]]) -> NDArray | None:
    return None if any(None in row for row in rows) else np.array(rows)


def read_publication(numbers: Path | str, design: Path | str) -> Publication:
    """Read a paper's printed numbers (CSV) and its design file (YAML).

    Raises
    ------
    StudyError
        When a file, a column or a key is missing, or a number or a key is not understood.
    """
    file = resolve(design)
    if not file.is_file():
        raise StudyError(f"There is no design file '{design}'. Copy data/paper/design.yml and fill it in.")
    try:
        content = Design(**yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise StudyError(f"The design file '{design}' is not like data/paper/design.yml: {faults}.") from None
    except (yaml.YAMLError, TypeError):
        raise StudyError(f"The design file '{design}' is no YAML of keys and values.") from None
    return Publication(read_reported(numbers), content)


def judged(check: str, entry: Entry, found: Recomputed, source: str, decimals: int | None = None) -> Check:
    """A row for a printed number and the one that ``source`` gives, with one decimal more or ``decimals``."""
    printed, verdict = entry.value.text, compare(entry.value, found.low, found.high)
    decimals = len(printed.partition(".")[2]) + 1 if decimals is None else decimals
    text = f"{found.number:.{decimals}f}"
    sentence = sentence_of(f"{capital(printed)} ({in_words(entry.metric)})", verdict, f"{source}: {text}")
    return Check(check, entry.where, printed, text, verdict, sentence)


def sentence_of(what: str, verdict: str, source: str) -> str:
    """One sentence on whether ``what`` follows from ``source``."""
    ending = {
        CONSISTENT: "follows from",
        ROUNDING: "follows, but for the last digit, from",
        INCONSISTENT: "does not follow from",
        UNDECIDED: "can be neither confirmed nor refuted by",
    }[verdict]
    return f"{what} {ending} {source}."


_WORDS = {"percent": "%", "auc": "AUC", "ppv": "PPV", "npv": "NPV", "sd": "SD", "p": "P", "z": "Z"}
_WORDS |= {"delong": "DeLong", "or": "odds ratio", "dca": "DCA:"}


def in_words(metric: str) -> str:
    """A metric as one reads it: "age mean", "male %", "DeLong P"."""
    return " ".join(_WORDS.get(word, word) for word in metric.split("_"))


def p_formula(text: str) -> str:
    """A P value, or a limit of one, as a formula: "P = 0.013", "P < 0.001"."""
    return f"P {text[0]} {text[1:]}" if text[0] in "<>" else f"P = {text}"


def capital(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
