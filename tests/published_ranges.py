"""Published ranges of bone and scanners, and two small virtual hospitals that are held to them."""

import pandas as pd

from helpers.chapters import virtual_evidence
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
SITES = {role: VirtualSite(PROTOCOL, role, 40, 5) for role in ("development", "external")}
PUBLISHED = pd.read_csv(virtual_evidence.PUBLISHED, index_col="key")
# How far a number of the small samples below may lie outside its range; 0 where nothing is said.
TOLERANCE = {"hu_50s": 3, "hu_70s": 3, "hu_per_year": 0.15, "sex_slope": 0.3, "hu_spread": 2, "hu_normal": 4}
TOLERANCE |= {"hu_icc": 0.003}
TOLERANCE |= {"noise_development": 1, "noise_external": 1}
# HU alone tells osteoporosis less well here, as in the paper, than in the sources of these cut-offs.
TOLERANCE |= {"hu_sensitive": 10, "hu_specific": 8}


def assert_within(simulated: dict[str, float]):
    """Every number lies in its published range, or as near to it as a small sample can be expected to."""
    for key, value in simulated.items():
        low, high = PUBLISHED.loc[key, ["low", "high"]].astype(float)
        room = TOLERANCE.get(key, 0) + 1e-6
        assert not (value < low - room or value > high + room), f"{key}: {value} not in [{low}, {high}]"
