"""Hospitals' share folders as a centre reads them: each is refused with a sentence, or fits all others."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from pydantic import ValidationError

from helpers.errors import StudyError, naming
from helpers.pooling.audit import contradictions, few_told
from helpers.pooling.contract import FORMAT, SITE_FILE, VERSION, SiteFile, checksum

_SEND = "Ask the hospital to send it again."
_MUST_BE_SAME = {
    "bundle": "was judged with another frozen model",
    "settings": "has features of other extraction settings",
    "engine": "has features of other program versions",
    "outcome": "has another outcome",
    "virtual": "mixes simulated with real patients",
}


def read_folder(folder: Path) -> SiteFile:
    """The file of one share folder.

    Raises
    ------
    StudyError
        When there is none, or it is damaged, edited, of another version, against the contract, contradicts
        itself or tells of few patients. The message says which, and begins with the folder.
    """
    with naming(f"'{folder.name}'"):
        return read_site(_found(folder))


def _found(folder: Path) -> Path:
    if not folder.is_dir():
        raise StudyError("there is no such folder. Name a hospital's share folder.")
    if (folder / "share" / SITE_FILE).is_file():
        raise StudyError("this is a whole run folder. A hospital sends its share folder only: name that.")
    if not (folder / SITE_FILE).is_file():
        raise StudyError(
            f"there is no {SITE_FILE} in it. radbook run writes it with chapter 06, radbook apply with 11."
        )
    return folder / SITE_FILE


def read_site(path: Path) -> SiteFile:
    """The content of one site.json; raises as `read_folder`."""
    content = _content(path)
    if content.get("format") != FORMAT:
        raise StudyError(f"{SITE_FILE} is no file of radbook ('format' is not '{FORMAT}').")
    if content.get("version") != VERSION:
        raise StudyError(
            f"{SITE_FILE} has version {content.get('version')} of the list of fields, and this radbook reads "
            f"{VERSION}. All hospitals and the centre need the same radbook."
        )
    if content.get("sha256") != checksum(content):
        raise StudyError(f"{SITE_FILE} was edited, or damaged on its way: its checksum is wrong. {_SEND}")
    try:
        site = SiteFile.model_validate(content)
    except ValidationError as error:
        raise StudyError(f"{SITE_FILE} does not keep to its contract: {_explained(error)}.") from None
    if found := contradictions(site):
        raise StudyError(f"{SITE_FILE} contradicts itself: {'; '.join(found)}. {_SEND}")
    if found := few_told(site):
        raise StudyError(
            f"{SITE_FILE} tells of fewer than {site.min_cell} patients: {'; '.join(found)}. Do not pass it "
            "on, and tell the hospital."
        )
    return site


def _content(path: Path) -> dict:
    try:
        content = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise StudyError(f"{SITE_FILE} is damaged: it is not whole, or no JSON text. {_SEND}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{SITE_FILE} is no file of radbook (it holds no named fields).")
    return content


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _explained(error: ValidationError) -> str:
    """The first few places that break the contract, each once."""
    places = dict.fromkeys(_place(problem["loc"]) for problem in error.errors())
    few = list(places)[:3]
    more = f" and {len(places) - len(few)} more" if len(places) > len(few) else ""
    return f"what is wrong is {', '.join(few)}{more}"


def _place(parts: tuple[str | int, ...]) -> str:
    """Where in the file, without the names of the alternatives that were tried there."""
    return ".".join(str(part) for part in parts if str(part).isidentifier() or isinstance(part, int))


def require_together(sites: dict[str, SiteFile]) -> None:
    """Refuse files that cannot be pooled.

    Parameters
    ----------
    sites : dict of str to SiteFile
        By what messages call them: the first is what the others are compared with.

    Raises
    ------
    StudyError
        Naming the first that was judged otherwise, or stands there twice.
    """
    if not sites:
        return
    (first, own), *others = sites.items()
    for name, site in others:
        for field, words in _MUST_BE_SAME.items():
            if getattr(site, field) != getattr(own, field):
                raise StudyError(f"'{name}' {words} than '{first}': they cannot be pooled.")
        if site.training != own.training:
            raise StudyError(f"'{name}' tells of other training patients than '{first}', of the same model.")
        if _cutoffs(site) != _cutoffs(own):
            raise StudyError(f"'{name}' has other models or cut-offs than '{first}', of the same model.")
    _require_each_once(sites)


def _cutoffs(site: SiteFile) -> dict[str, float]:
    return {
        model: measures.confusion.cutoff
        for hospital in site.hospitals
        for model, measures in hospital.models.items()
        if measures.confusion
    }


def _require_each_once(sites: dict[str, SiteFile]) -> None:
    labels = Counter(hospital.label.casefold() for site in sites.values() for hospital in site.hospitals)
    seen: dict[str, str] = {}
    for name, site in sites.items():
        for hospital in site.hospitals:
            if labels[hospital.label.casefold()] > 1:
                raise StudyError(
                    f"The hospital '{hospital.label}' is there twice. Name each once; two that chose one "
                    "name say 'label' in their study files. To renew a file, first take the old one out of "
                    "the pooled folder's sites/."
                )
            numbers = hospital.model_dump_json(exclude={"label", "role"})
            if numbers in seen:
                raise StudyError(
                    f"'{name}' and '{seen[numbers]}' hold the same patients under two names: leave one out."
                )
            seen[numbers] = name
