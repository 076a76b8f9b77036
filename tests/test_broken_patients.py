"""One bad case never stops a cohort: of 20 patients 8 are broken in 8 ways, and the notebooks run on 12."""

import pytest
from broken_hospital import BREAKS

from helpers.commands.parameters import notebook_parameters
from helpers.commands.run import execute
from helpers.study.pseudonyms import raw_ids
from helpers.study.run_folder import open_run


@pytest.fixture(scope="module")
def hospital(broken_hospital, tmp_path_factory):
    """Run notebooks 01 to 03; give the run and what was broken, by pseudonym."""
    folder, broken = broken_hospital
    run = open_run(folder / "study.yml", tmp_path_factory.mktemp("broken_run"))
    common = {"study": str(folder / "study.yml"), "run_dir": str(run.folder), "workers": 1}
    parameters = notebook_parameters(run.study.parameters, (), common)
    for step in ("01", "02", "03"):
        assert execute(run, step, parameters[step]).status == "ok"
    pseudonyms = {raw: patient_id for patient_id, raw in raw_ids(run).items()}
    return run, {pseudonyms[raw]: kind for raw, kind in broken.items()}


def test_the_other_twelve_reach_the_end(hospital):
    run, broken = hospital
    features = run.read("features")
    assert len(broken) == len(BREAKS) == 8
    assert len(features) == 12
    assert not set(features["patient_id"]) & set(broken)


def test_quality_control_lists_the_eight_with_their_reasons(hospital):
    run, broken = hospital
    quality = run.read("preprocessing").set_index("patient_id")
    assert set(quality.index[quality["status"] == "refused"]) == set(broken)
    for patient_id, kind in broken.items():
        assert BREAKS[kind][0] in quality.loc[patient_id, "reason"], kind


def test_the_flow_chart_lists_the_eight_by_category(hospital):
    run, broken = hospital
    table = run.table_path("flow_chart").read_text(encoding="utf-8")
    for category in {category for _, category in BREAKS.values()}:
        number = sum(BREAKS[kind][1] == category for kind in broken.values())
        assert f"Ours,unusable,{category},{number}," in table
    assert "Ours,included,,20," in table
    assert "Ours,analysed,,12," in table
    assert "image or mask missing: 1" in run.figure_path("figure_1", "svg").read_text(encoding="utf-8")


def test_no_raw_number_is_read_outside_private(hospital):
    run, _ = hospital
    for path in [*run.notebooks.glob("*.ipynb"), *(run.folder / "share").rglob("*.*")]:
        assert b"MRN-" not in path.read_bytes(), path.name
