"""The study file (YAML): where patients, images and masks come from, and which rules make the outcome."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import yaml
from pydantic import AfterValidator, Field, ValidationError, model_validator

from helpers.errors import StudyError
from helpers.study.places import resolve
from helpers.study.sites import Site, Strict

Choice = Literal["include", "exclude", "sensitivity"]
OSTEOPOROSIS = "osteoporosis"
REGION = "T12 and L1"
Action = Literal["refuse", "ask", "accept"]
# What stands in place of a value that only a person can decide (radbook init).
OPEN = "?"


class Inclusion(Strict):
    """Who is in the study: CT within ``max_interval_days`` of DXA (days), at least ``min_age`` (years).

    A study of another outcome than the paper's takes patients of any age unless it says ``min_age``.
    """

    max_interval_days: int = 30
    min_age: int = 50


class Outcome(Strict):
    """The question: who has the outcome, and what patients with and without it are called.

    Left out it is the paper's, osteoporosis: a DXA T-score of ``t_score_at_most`` or lower (paper 2.2).
    ``given``: the table has a ready column ``outcome`` (0 or 1) instead. An outcome of another ``name`` is
    given always. Left out as well, its groups are called as the outcome and "no " with it; ``name_zh``,
    ``positive_zh`` and ``negative_zh`` are the Chinese forms (left out: the others).
    """

    name: str = OSTEOPOROSIS
    positive: str = OSTEOPOROSIS
    negative: str = f"no {OSTEOPOROSIS}"
    name_zh: str = "骨质疏松"
    positive_zh: str = "骨质疏松"
    negative_zh: str = "无骨质疏松"
    t_score_at_most: float = -2.5
    given: bool = False

    @model_validator(mode="before")
    @classmethod
    def _of_another_name(cls, content: Any) -> Any:
        """What follows from the name of an outcome that is not the paper's."""
        if not isinstance(content, dict) or content.get("name", OSTEOPOROSIS) == OSTEOPOROSIS:
            return content
        name = content["name"]
        # The outcome that a bundle carries has all keys.
        if not content.get("given", "t_score_at_most" not in content):
            raise ValueError(
                f"the outcome '{name}' has no T-score: leave out 't_score_at_most' and 'given'; the tables "
                "have a column of 0 and 1"
            )
        words = {"positive": name, "negative": f"no {name}"} | content
        if words["positive"] == words["negative"]:
            raise ValueError(f"both groups are called '{words['positive']}': give them two names")
        chinese = {f"{key}_zh": words[key] for key in ("name", "positive", "negative")}
        return chinese | words | {"given": True}

    @property
    def is_the_papers(self) -> bool:
        """Whether the outcome is the paper's."""
        return self.name == OSTEOPOROSIS

    @property
    def groups(self) -> dict[int, str]:
        """What patients without (0) and with the outcome (1) are called."""
        return {0: self.negative, 1: self.positive}

    @property
    def titles(self) -> dict[int, str]:
        """The same, as the words that head a column or an entry of a legend."""
        return {flag: name[:1].upper() + name[1:] for flag, name in self.groups.items()}

    @property
    def rule(self) -> float | None:
        """Largest T-score of a case; None where the table gives the outcome itself."""
        return None if self.given else self.t_score_at_most

    @property
    def in_words(self) -> str:
        """The rule, as a part of a sentence."""
        if self.rule is None:
            return "as the hospital's table gives it"
        return f"DXA T-score at or below {self.rule:g}"


class Rules(Strict):
    """What happens to scans that are usable but out of the ordinary.

    ``include`` keeps them, ``exclude`` leaves them out, ``sensitivity`` keeps them and repeats the main
    results without them. Metal or cement is what exceeds ``metal_hu`` (HU) near the region.
    """

    missing_vertebra: Choice = "exclude"
    fracture: Choice = "include"
    metal: Choice = "include"
    contrast: Choice = "exclude"
    metal_hu: float = 2000.0


class Plausibility(Strict):
    """What happens to a patient whose region or scan breaks a rule of `helpers.features.plausibility`.

    ``refuse`` leaves the patient out unless the table's column ``accepted`` gives a reason not to, ``ask``
    keeps and marks the patient, ``accept`` says nothing.
    """

    edge: Action = "refuse"
    shell: Action = "refuse"
    centred: Action = "ask"
    tissue: Action = "refuse"
    size: Action = "refuse"
    pair: Action = "refuse"
    cut_off: Action = "refuse"
    hounsfield: Action = "refuse"
    scale: Action = "refuse"
    series: Action = "refuse"
    thickness: Action = "refuse"
    pieces: Action = "refuse"


class Limits(Strict):
    """Limits of the rules of `Plausibility`; `helpers.features.plausibility` says where each comes from."""

    edge_mm: float = 0.75
    off_centre_mm: float = 0.75
    off_centre_front_back_mm: float = 1.5
    layer_hu: tuple[float, float] = (-50.0, 350.0)
    cortex_percent: float = 5.0
    fat_percent: float = 5.0
    air_percent: float = 1.0
    body_height_mm: tuple[float, float] = (12.0, 34.0)
    body_width_mm: tuple[float, float] = (22.0, 52.0)
    region_mm3: tuple[float, float] = (2000.0, 45000.0)
    # Where the sex is known, instead of those for anybody.
    body_height_women_mm: tuple[float, float] = (12.0, 31.5)
    body_width_women_mm: tuple[float, float] = (22.0, 45.5)
    body_width_men_mm: tuple[float, float] = (25.0, 52.0)
    region_women_mm3: tuple[float, float] = (2000.0, 32000.0)
    region_men_mm3: tuple[float, float] = (2000.0, 41500.0)
    levels_mm: tuple[float, float] = (20.0, 50.0)
    tilt_degrees: float = 40.0
    pair_hu: float = 90.0
    pair_ratio: float = 1.4
    fat_hu: tuple[float, float] = (-125.0, -75.0)
    soft_hu: tuple[float, float] = (10.0, 80.0)
    pixel_percent: float = 2.0
    noise_alternates: float = 1.2
    noise_jumps: float = 1.8
    slice_mm: float = 3.0
    lost_percent: float = 10.0


class Split(Strict):
    """Who develops and who validates.

    ``patient``: the development site is split 7:3, every other site is external. ``site``: all sites are
    pooled and split 7:3, and each is left out once in chapter 10 (internal-external validation).
    """

    by: Literal["patient", "site"] = "patient"


def _worth_hiding(min_cell: int) -> int:
    """Refuse a limit of 2: a count below it is 1, and to say so tells it."""
    if min_cell == 2:
        raise ValueError('"<2" would say that it is 1: take 3 or more (10 is usual), or 0 to hide nothing')
    return min_cell


class Study(Strict):
    """A study file, read and checked.

    ``region`` names what the features were measured in, for the pages of a study of another design.
    ``simulated`` says that files of a site come from a simulator too; the book then says so everywhere.
    ``extraction`` may be left out when ready features come from settings that nobody knows any more.
    Counts below ``min_cell`` are not shown in share/. ``scheduler`` is the address of a dask cluster.
    ``label`` is what the hospital wants to be called where results of many are pooled; left out, its sites'
    names.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    title: str
    label: Annotated[str, Field(max_length=200)] = ""
    simulated: bool = False
    seed: Annotated[int, Field(ge=0)]
    extraction: Path | None = None
    inclusion: Inclusion = Inclusion()
    outcome: Outcome = Outcome()
    split: Split = Split()
    region: str = REGION
    rules: Rules = Rules()
    plausibility: Plausibility = Plausibility()
    limits: Limits = Limits()
    predictors: list[str] = ["age", "sex"]
    second_reader_cases: Annotated[int, Field(ge=4)] = 40
    min_cell: Annotated[int, Field(ge=0), AfterValidator(_worth_hiding)] = 0
    scheduler: str | None = None
    sites: Annotated[list[Site], Field(min_length=1)]
    parameters: dict[str, dict[str, bool | int | float | str | list | None]] = {}
    file: Path

    @model_validator(mode="before")
    @classmethod
    def _roles_by_site(cls, content: dict) -> dict:
        """Fill in the role of sites that all develop."""
        split, sites = content.get("split"), content.get("sites")
        if not isinstance(split, dict) or split.get("by") != "site" or not isinstance(sites, list):
            return content
        filled = [{"role": "development"} | site if isinstance(site, dict) else site for site in sites]
        return content | {"sites": filled}

    @model_validator(mode="before")
    @classmethod
    def _any_age(cls, content: Any) -> Any:
        """The paper's age limit belongs to the paper's outcome."""
        outcome = content.get("outcome")
        if not isinstance(outcome, dict) or outcome.get("name", OSTEOPOROSIS) == OSTEOPOROSIS:
            return content
        said = content.get("inclusion", {})
        return content | {"inclusion": {"min_age": 0} | said} if isinstance(said, dict) else content

    @model_validator(mode="after")
    def _sites_fit_together(self) -> Study:
        if problem := self._wrong_roles():
            raise ValueError(problem)
        simulated = [(site.virtual.protocol, site.role) for site in self.sites if site.virtual]
        if len(set(simulated)) < len(simulated):
            raise ValueError("two virtual sites of one protocol and role are the same patients")
        names = [site.name for site in self.sites]
        if len(set(names)) < len(names):
            raise ValueError("two sites have the same name")
        if len({site.features is None for site in self.sites}) > 1:
            raise ValueError("either all sites bring ready 'features', or none does")
        if self.extraction is None and not self.has_features:
            raise ValueError("'extraction' is missing; name the file with the extraction settings")
        return self

    def _wrong_roles(self) -> str:
        if self.split.by == "patient":
            several = sum(site.role == "development" for site in self.sites) > 1
            problem = "two sites have the role 'development'; one develops, the others are external "
            return problem + "(or all are pooled: split: {by: site})" if several else ""
        if len(self.sites) < 2:
            return "split: {by: site} leaves out each site once, and there is only one: name the others"
        external = [site.name for site in self.sites if site.role == "external" and site.virtual is None]
        if external:
            return f"with split: {{by: site}} every site develops: leave out the role of '{external[0]}'"
        return ""

    @property
    def development_sites(self) -> list[Site]:
        """Sites whose patients are split into training and internal validation."""
        return [site for site in self.sites if self.split.by == "site" or site.role == "development"]

    @property
    def external_sites(self) -> list[Site]:
        """Sites that only validate, in the study's order."""
        return [site for site in self.sites if self.split.by == "patient" and site.role == "external"]

    @property
    def is_of_paper_design(self) -> bool:
        """Whether the study asks the paper's question of the paper's region; nothing else decides it.

        The pages of other studies show nothing of the paper: no printed value, no bone, no DXA.
        """
        return self.outcome.is_the_papers and self.region == REGION

    @property
    def region_in_words(self) -> str:
        """What the features were measured in; ready features of another outcome are not taken for bone's."""
        unsaid = self.region == REGION and self.has_features and not self.outcome.is_the_papers
        return "the region of interest" if unsaid else self.region

    @property
    def has_features(self) -> bool:
        """Whether the sites bring ready features instead of images."""
        return self.sites[0].features is not None

    @property
    def is_virtual(self) -> bool:
        """Whether any of the patients are simulated."""
        return self.simulated or any(site.virtual is not None for site in self.sites)

    @property
    def folder(self) -> Path:
        """Where the study file lies."""
        return self.file.parent

    def path(self, relative: Path | str) -> Path:
        """Where a path written in the study file lies: relative to the study file's folder."""
        return (self.folder / relative).resolve()

    def rng(self, *step: str | int) -> np.random.Generator:
        """Random numbers of one named step: the same for any number of workers and any order of steps."""
        return np.random.default_rng(np.random.SeedSequence([self.seed, *map(_entropy, step)]))

    def rngs(self, *step: str | int, of: Iterable[str]) -> dict[str, np.random.Generator]:
        """Random numbers of one step for each of several sets, by their names."""
        return {name: self.rng(*step, name) for name in of}


def _entropy(part: str | int) -> int:
    return int.from_bytes(hashlib.sha256(str(part).encode()).digest()[:8], "big")


def load_study(path: Path | str) -> Study:
    """Read a study file.

    Raises
    ------
    StudyError
        Naming every wrong key with its place in the file and the remedy.
    """
    shown, path = path, resolve(path)
    if not path.is_file():
        raise StudyError(
            f"There is no study file '{shown}'. Start from data/studies/template.yml.", "setting"
        )
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise StudyError(f"'{shown}' is not valid YAML: {' '.join(str(error).split())}", "setting") from error
    if not isinstance(content, dict):
        raise StudyError(f"'{shown}' is empty. Start from data/studies/template.yml.", "setting")
    if still := open_lines(yaml.compose(text)):
        raise StudyError(
            f"'{shown}' leaves {len(still)} thing(s) open, written as \"?\": {'; '.join(still)}. Decide "
            "each: the comment above its line says what to write there.",
            "setting",
        )
    try:
        if "file" in content:  # ours, for where it lies
            raise ValidationError.from_exception_data(
                "Study", [{"type": "extra_forbidden", "loc": ("file",)}]
            )
        return Study.model_validate(content | {"file": path.parent.resolve() / path.name})
    except ValidationError as error:
        raise StudyError(_explain(shown, error), "setting") from None


def open_lines(node: yaml.Node, key: str = "") -> list[str]:
    """Line and key of every value that nobody has decided."""
    if isinstance(node, yaml.ScalarNode):
        return [f"line {node.start_mark.line + 1} ({key})"] if node.value == OPEN else []
    if isinstance(node, yaml.MappingNode):
        return [place for name, value in node.value for place in open_lines(value, str(name.value))]
    return [place for value in node.value for place in open_lines(value, key)]


def _explain(shown: Path | str, error: ValidationError) -> str:
    remedies = {
        "extra_forbidden": "is not a key that a study file knows; check its spelling against template.yml",
        "missing": "is missing; add it",
    }
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"]) or "the study"
        lines.append(
            f"{place}: {remedies.get(problem['type'], problem['msg'].removeprefix('Value error, '))}"
        )
    return f"The study file '{shown}' has {len(lines)} problem(s): " + "; ".join(lines) + "."
