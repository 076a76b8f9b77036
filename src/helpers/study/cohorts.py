"""The sets of patients: training, internal validation, and external validation in one or several hospitals.

One external hospital is the cohort "external", as in the paper; of several, each is a cohort of its own,
"external: <name of the site>".
"""

from __future__ import annotations

from collections.abc import Iterable

DEVELOPED = ["training", "internal"]
EXTERNAL = "external"
PAPER = [*DEVELOPED, EXTERNAL]
_OF_SITE = f"{EXTERNAL}: "
_TITLES = {
    "training": "Training",
    "internal": "Internal validation",
    "external": "External validation",
}


def external_cohorts(sites: list[str]) -> dict[str, str]:
    """The cohort of each external site, by its name, in the study's order."""
    return dict.fromkeys(sites, EXTERNAL) if len(sites) == 1 else {name: _OF_SITE + name for name in sites}


def is_cohort(name: str) -> bool:
    """Whether a text names a cohort."""
    return name in PAPER or is_one_of_several(name)


def is_one_of_several(name: str) -> bool:
    """Whether this cohort is one of several external hospitals."""
    return name.startswith(_OF_SITE)


def hospital_of(name: str) -> str:
    """The hospital's own name of one of several external cohorts."""
    return name.removeprefix(_OF_SITE)


def ordered_cohorts(names: Iterable[str]) -> list[str]:
    """The cohorts among ``names``, each once: training, internal, then external ones as they come.

    Tables of patients keep the study's order of sites, so do these.
    """
    present = list(dict.fromkeys(name for name in names if isinstance(name, str) and is_cohort(name)))
    return sorted(present, key=lambda name: PAPER.index(name) if name in DEVELOPED else len(DEVELOPED))


def cohort_title(name: str) -> str:
    """A cohort as headings call it: "External validation: <name of the site>", for example.

    A name that is no cohort of a study (a total that the paper prints) stays as it is.
    """
    if is_one_of_several(name):
        return f"{_TITLES[EXTERNAL]}: {hospital_of(name)}"
    return _TITLES.get(name, name)


def file_parts(names: list[str]) -> dict[str, str]:
    """What stands for each cohort in a file's name: of several external hospitals the number."""
    several = [name for name in names if is_one_of_several(name)]
    return {name: name for name in names} | {
        name: f"{EXTERNAL}_{number}" for number, name in enumerate(several, start=1)
    }
