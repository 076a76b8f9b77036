"""What a leak scan looks for is found behind a table of files as behind path patterns."""

from odd_folders import NUMBERS, write_ct, write_masks, write_table

from helpers.commands.init import init_study
from helpers.pages import sought
from helpers.pages.identifiers import Identifier
from helpers.patients.table import read_table
from helpers.study.places import made_folder
from helpers.study.run_folder import Run
from helpers.study.study_file import load_study


def test_headers_behind_a_table_of_files_are_read_and_its_paths_are_sought(tmp_path):
    write_table(tmp_path / "h" / "dxa.csv", 出生日期=["1950-02-01"] * 8)
    write_ct(tmp_path / "h" / "ct")
    write_masks(tmp_path / "h" / "roi", [f"{number}.nii.gz" for number in NUMBERS])
    init_study(tmp_path / "h")
    study = load_study(tmp_path / "h" / "study.yml")
    run = Run(study=study, folder=tmp_path / "run")
    made_folder(run.private)
    read_table(run, study.sites[0])
    found, _ = sought.named(run)
    assert {"zhang", NUMBERS[3]} <= {word for identifier in found for word in identifier.words}
    written = {str(identifier) for identifier in sought.paths(run, {NUMBERS[3]: Identifier("x", "y")})}
    assert any("ct/A3X/S1" in text for text in written)
    (tmp_path / "h" / "radbook_files.csv").unlink()  # moved since the run
    assert sought.paths(run, {NUMBERS[3]: Identifier("x", "y")}) == []
    sought.named(run)
