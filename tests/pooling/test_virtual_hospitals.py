"""Protects: virtual hospitals differ as described, come again the same, and their tables are understood."""

import pytest
import yaml
from typer.testing import CliRunner

from helpers import cli
from helpers.errors import StudyError
from helpers.patients.cohort import load_screened
from helpers.pooling.virtual_hospitals import HOSPITALS, virtual_hospitals
from helpers.study.run_folder import open_run
from helpers.study.study_file import load_study
from helpers.virtual import VirtualSite, export

TOLD = yaml.safe_load(HOSPITALS.read_text(encoding="utf-8"))["hospitals"]


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory):
    return virtual_hospitals(8, 200, 5, tmp_path_factory.mktemp("protocols"))


def included(hospital):
    people = hospital.site.screened()
    return people[people["allocation"] != ""]


def test_patients_and_scanners_are_as_described(hospitals):
    ages = []
    for told, hospital in zip(TOLD, hospitals, strict=True):
        people = included(hospital)
        ill = people["t_score"] <= -2.5
        assert ill.mean() == pytest.approx(told["with_osteoporosis"], abs=0.005)
        assert (people["sex"] == "female").mean() == pytest.approx(told["women"], abs=0.01)
        assert set(people["scanner"]) == set(told["scanners"])
        ages.append(
            (people.loc[ill, "age"].mean() - told["older"], people.loc[~ill, "age"].mean() - told["older"])
        )
    for group in zip(*ages, strict=True):
        assert max(group) - min(group) < 0.2  # years, the same but for how much older they are
    assert group[0] == pytest.approx(56.55, abs=0.2)  # the paper's Table 1, second hospital, without


def test_kernel_slices_and_reader_are_the_hospitals_own(hospitals):
    sharp = hospitals[3].site
    patient = included(hospitals[3])["patient_id"].iloc[0]
    assert sharp.scanner(patient)["kernel"] == "DETAIL" and sharp.scanner(patient)["spacing"][2] == 1.25
    plain = hospitals[0].site
    assert plain.scanner(patient)["kernel"] == "STANDARD" and plain.scanner(patient)["spacing"][2] == 0.5
    habits = [yaml.safe_load(one.site.protocol.read_text())["readers"]["habit_mm"][1] for one in hospitals]
    assert habits == [told["reader_mm"] for told in TOLD] and len(set(habits)) > 4


def test_no_two_hospitals_have_the_same_patients_and_all_come_again(hospitals, tmp_path):
    assert len({one.site.seed for one in hospitals}) == 8
    again = virtual_hospitals(3, 200, 5, tmp_path)
    for one, other in zip(again, hospitals[:3], strict=True):
        assert one.site.screened().equals(other.site.screened())
        patient = included(one)["patient_id"].iloc[0]
        assert one.site.fingerprint(patient) == other.site.fingerprint(patient)
    with pytest.raises(StudyError, match="There are 8 virtual hospitals, not 9"):
        virtual_hospitals(9, 20, 5, tmp_path)


@pytest.mark.slow
def test_eight_exported_hospitals_are_read_as_the_patients_they_are(tmp_path, monkeypatch):
    """Codings only: images would be those of any virtual hospital (tests/virtual/test_export.py)."""

    def patient_without_voxels(site, out, patient_id, table):
        for name in (f"ct/{patient_id}/IM0001.dcm", f"masks/{patient_id}.nii.gz"):
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(b"")

    monkeypatch.setattr(export, "_write_patient", patient_without_voxels)
    out = tmp_path / "eight"
    done = CliRunner().invoke(cli.app, ["export-virtual", str(out), "--sites", "8", "--patients", "9"])
    assert done.exit_code == 0, done.output
    made = virtual_hospitals(8, 9, 1, tmp_path / "protocols")
    tables = set()
    for hospital in made:
        study = load_study(out / hospital.key / "study.yml")
        assert study.is_virtual and study.min_cell == 10 and study.sites[0].role == "external"
        people = load_screened(open_run(study, tmp_path / "runs" / hospital.key))
        expected = hospital.site.screened().head(len(people))
        for column in ("age", "sex", "t_score", "interval_days", "exclusion"):
            assert people[column].tolist() == expected[column].tolist(), (hospital.name, column)
        table = study.sites[0].table
        tables.add((table.model_dump_json(), (out / hospital.key / table.path).read_bytes()[:30]))
    assert len(tables) == 8  # no two are written alike
    again = CliRunner().invoke(cli.app, ["export-virtual", str(out), "--sites", "2"])
    assert again.exit_code == 1 and "not empty" in again.output
    other = CliRunner().invoke(cli.app, ["export-virtual", str(tmp_path / "x"), "--sites", "2", "--chinese"])
    assert other.exit_code == 1 and "their own" in other.output


def test_a_protocol_that_nobody_changed_is_the_simulators(hospitals):
    """What is not a hospital's own is everybody's: anatomy, bone, and the first hospital."""
    ours = yaml.safe_load(hospitals[5].site.protocol.read_text())
    whole = yaml.safe_load(
        VirtualSite(HOSPITALS.with_name("protocol.yml"), "external", 8, 1).protocol.read_text()
    )
    assert ours["anatomy"] == whole["anatomy"] and ours["bone"] == whole["bone"]
    assert ours["scanner"]["models"] == whole["scanner"]["models"]
    first = [group for group in whole["patients"]["table_1"]["groups"] if group["site"] == "development"]
    kept = [group for group in ours["patients"]["table_1"]["groups"] if group["site"] == "development"]
    assert kept == first
