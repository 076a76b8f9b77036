"""Pages show rows of virtual patients only, and their reasons in words."""

import pandas as pd
import pytest

from helpers.study.places import REPOSITORY
from helpers.study.pseudonyms import single_patients
from helpers.study.run_folder import Run
from helpers.study.study_file import Study, load_study

REFUSED = pd.DataFrame({"patient_id": ["P1"], "reason": ["the mask is empty."], "kind": ["mask"]})


@pytest.mark.parametrize("real", [False, True])
def test_a_page_shows_reasons_of_virtual_patients_and_the_number_of_real_ones(real, tmp_path):
    study = load_study(REPOSITORY / "data" / "studies" / "quick.yml")
    if real:
        site = {"name": "here", "role": "development", "table": {"path": "x.csv"}, "images": "i/{patient_id}"}
        site |= {"masks": "m/{patient_id}"}
        study = Study(name="own", title="Own", seed=1, extraction="p.yml", sites=[site], folder=tmp_path)
    shown = single_patients(Run(study, tmp_path), REFUSED)
    if real:
        assert shown.to_numpy().tolist() == [[1]]
    else:
        pd.testing.assert_frame_equal(shown, REFUSED[["patient_id", "reason"]])
