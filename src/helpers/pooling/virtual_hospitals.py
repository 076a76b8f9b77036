"""Virtual hospitals that differ: in their patients, scanners, kernels, readers and ways to keep a table."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY, made_folder, replacing
from helpers.virtual import VirtualSite
from helpers.virtual.export import Coding

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
HOSPITALS = REPOSITORY / "data" / "virtual" / "hospitals.yml"
_ROLE = "external"
_OF = 1000  # a group's share, in so many patients


@dataclass(frozen=True)
class VirtualHospital:
    """One of them: its ``name``, its patients, and the ``coding`` of its table."""

    name: str
    site: VirtualSite
    coding: Coding

    @property
    def key(self) -> str:
        """The name as a folder's, without blanks."""
        return self.name.lower().replace(" ", "_")


def virtual_hospitals(sites: int, patients: int, seed: int, folder: Path) -> list[VirtualHospital]:
    """The first ``sites`` hospitals of data/virtual/hospitals.yml.

    Parameters
    ----------
    sites : int
    patients : int
        Included in each.
    seed : int
        Each hospital has one of its own, which follows from it.
    folder : Path
        Where each hospital's protocol is written, as the simulator reads it; made where it is not there.

    Raises
    ------
    StudyError
        When so many are not described.
    """
    told = yaml.safe_load(HOSPITALS.read_text(encoding="utf-8"))
    if not 1 <= sites <= len(told["hospitals"]):
        raise StudyError(f"There are {len(told['hospitals'])} virtual hospitals, not {sites}. Ask for fewer.")
    protocol = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))
    seeds = np.random.SeedSequence(seed).generate_state(len(told["hospitals"]))
    made = []
    for own, one in zip(told["hospitals"][:sites], seeds[:sites], strict=True):
        path = made_folder(folder) / f"{own['name'].lower().replace(' ', '_')}.yml"
        with replacing(path) as temporary:
            temporary.write_text(yaml.safe_dump(_protocol(protocol, own, told["age_sd"])), encoding="utf-8")
        site = VirtualSite(path, _ROLE, patients, int(one) // 2)
        made.append(VirtualHospital(own["name"], site, Coding(**own["table"])))
    return made


def _protocol(protocol: dict, own: dict, age_sd: float) -> dict:
    """The protocol whose second hospital is this one; bone and anatomy are everybody's."""
    changed = deepcopy(protocol)
    people, machines = changed["patients"], changed["scanner"]["sites"]
    groups = [group for group in people["table_1"]["groups"] if group["site"] == _ROLE]
    shares = {1: own["with_osteoporosis"], 0: 1 - own["with_osteoporosis"]}
    # The share of women is that of all: those with osteoporosis are women as often as in the paper.
    women = {1: min(_share_of_women(groups, 1), own["women"] / shares[1])}
    women[0] = (own["women"] - shares[1] * women[1]) / shares[0]
    for group in groups:
        flag = group["osteoporosis"]
        female = round(_OF * shares[flag] * women[flag])
        group |= {"female": female, "male": round(_OF * shares[flag]) - female}
        group |= {"age_mean": group["age_mean"] + own["older"], "age_sd": age_sd}
    people["scanners"][_ROLE] = own["scanners"]
    machines[_ROLE] = own["image"]
    changed["readers"]["habit_mm"] = {
        reader: habit + own["reader_mm"] for reader, habit in protocol["readers"]["habit_mm"].items()
    }
    return changed


def _share_of_women(groups: list[dict], osteoporosis: int) -> float:
    counts = [(group["female"], group["male"]) for group in groups if group["osteoporosis"] == osteoporosis]
    female, male = np.sum(counts, axis=0)
    return float(female / (female + male))
