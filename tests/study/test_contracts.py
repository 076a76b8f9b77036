"""Tables that travel between notebooks say of whom they tell, and why somebody is missing."""

import pandas as pd
import pytest

from helpers.errors import StudyError
from helpers.study.contracts import check


@pytest.mark.parametrize(
    ("status", "kind", "broken"),
    [
        ("refused", "mask", ""),
        ("warned", "", ""),
        ("refused", "", "a kind where refused"),
        ("warned", "metal", "a kind where refused"),
        ("refused", "the mask is empty.", "isin"),
    ],
)
def test_quality_control_has_a_known_kind_for_the_refused_and_for_nobody_else(status, kind, broken):
    row = {"patient_id": "P1", "status": status, "reason": "why", "kind": kind, "trabecular_hu": 100.0}
    table = pd.DataFrame([row])
    if not broken:
        pd.testing.assert_frame_equal(check("preprocessing", table), table)
        return
    with pytest.raises(StudyError, match=broken):
        check("preprocessing", table)
