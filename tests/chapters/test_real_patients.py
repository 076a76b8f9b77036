"""The real patients go the way of any hospital's, and what chapter 15 says of them is what was computed.

A small piece of the real study: every fortieth feature, two folds.
"""

import json

import pandas as pd
import pytest

from helpers.chapters import real_patients
from helpers.chapters.hospitals_in_turn import hospitals_in_turn
from helpers.learning.selection import SelectionSettings
from helpers.plots.real_patients import plot_three_aucs
from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run

STUDY = REPOSITORY / "data" / "studies" / "real.yml"
TINY = REPOSITORY / "tests" / "data" / "tiny.yml"


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    return real_patients.open_real(open_run(TINY, tmp_path_factory.mktemp("virtual"), "15"), STUDY)


@pytest.fixture(scope="module")
def tables(real):
    return real_patients.real_tables(real)


@pytest.fixture(scope="module")
def found(real, tables):
    patients, features = tables
    settings = SelectionSettings(icc_threshold=None, folds=3, mrmr_features=8)
    return hospitals_in_turn(features.iloc[:, ::40], patients, real.study.predictors, settings, 5, folds=2)


def test_everyone_with_a_known_sex_is_there_under_a_pseudonym(real, tables):
    """Row for row as in the files; numbers of the authors stay in a private folder of their own."""
    patients, features = tables
    people = pd.read_csv(REPOSITORY / "data" / "real" / "keek2020_clinical.csv").query("sex.notna()")
    published = pd.read_csv(REPOSITORY / "data" / "real" / "keek2020_features.csv.gz", index_col="ID")
    assert (
        patients["site"].tolist()
        == people.sort_values(
            "centre", key=lambda column: column.map(["AVL", "UMCU", "VUMC", "MAASTRO"].index), kind="stable"
        )["centre"].tolist()
    )
    raw = pd.read_csv(real.private / "identifiers.csv").set_index("patient_id")["raw_id"]
    known = people.set_index("ID").loc[raw[patients.index]]
    assert patients["outcome"].tolist() == known["died_within_3_years"].tolist()
    assert patients["stage"].tolist() == known["stage"].tolist()
    assert features.shape == (272, 1322)
    assert (features.to_numpy() == published.loc[known.index].to_numpy()).all()
    assert real.folder.parent.name == "private" and not set(raw) & set(patients.index)


def test_the_table_of_patients_counts_them(tables):
    people = real_patients.people_by_hospital(tables[0]).set_index("hospital")
    assert people["n"].to_dict() == {"AVL": 98, "UMCU": 73, "VUMC": 72, "MAASTRO": 29}
    assert people["events"].tolist() == [48, 37, 26, 7]
    assert people.loc["AVL", "men_percent"] == pytest.approx(100 * 74 / 98)


STRICT = pd.DataFrame(
    [
        ("training", "radiomics", "AUC", 0.9, 0.8),
        ("internal", "radiomics", "AUC", 0.7, 0.6),
        ("external", "radiomics", "AUC", 0.75, 0.65),
        ("external", "radiomics", "sensitivity", 0.1, 0.1),
        ("external", "nomogram", "AUC", 0.2, 0.2),
    ],
    columns=["cohort", "model", "quantity", "paper_mode", "strict_mode"],
)


def test_numbers_stand_beside_the_authors_and_the_virtual_cohort_s(found):
    aucs, virtual = real_patients.three_aucs(found), real_patients.virtual_aucs(STRICT)
    table = real_patients.beside_published(aucs, found.summary, virtual)
    assert table["model"].tolist()[:3] == ["radiomics", "clinical", "both"]
    assert table["elsewhere"].tolist()[3:] == ["0.32 to 0.61", "0.65 to 0.74", "0.75"]
    assert table["apparent"].tolist()[3:] == ["", "", "0.90"] and table["beforehand"].iloc[-1] == "0.80"
    both = found.hospitals[found.hospitals["model"] == "nomogram"]
    assert table.loc[2, "elsewhere"] == f"{both['auc'].min():.2f} to\xa0{both['auc'].max():.2f}"
    said = real_patients.in_words(aucs, found, virtual)
    assert said["virtual-fall"] == "0.90 to\xa00.75"
    assert said["both-promised"] == f"{both['apparent'].mean():.2f}"


def test_without_chapter_10_there_is_no_virtual_row(found):
    virtual = real_patients.virtual_aucs(None)
    aucs = real_patients.three_aucs(found)
    figure = plot_three_aucs(aucs, virtual)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels == ["AVL", "UMCU", "VUMC", "MAASTRO"]
    assert "not run" in real_patients.in_words(aucs, found, virtual)["virtual-fall"]


def test_the_virtual_row_stands_with_radiomics_alone(found):
    figure = plot_three_aucs(real_patients.three_aucs(found), real_patients.virtual_aucs(STRICT))
    labels = [[label.get_text() for label in axis.get_yticklabels()] for axis in figure.axes]
    assert [names[-1] for names in labels] == ["virtual cohort", "MAASTRO", "MAASTRO"]


def test_every_number_that_the_chapter_says_is_given(found):
    """A missing one would stop the build of the whole book."""
    notebook = json.loads((REPOSITORY / "notebooks" / "15_real_patients.ipynb").read_text(encoding="utf-8"))
    text = "".join("".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "markdown")
    asked = {part.split("`")[0] for part in text.split("{glue:text}`")[1:]}
    said = real_patients.in_words(real_patients.three_aucs(found), found, real_patients.virtual_aucs(STRICT))
    assert asked - set(said) == {"real-n", "real-died", "real-features", "real-predictors"}


def test_the_book_names_none_of_the_patients(finished):
    """Their authors published the numbers; a hospital's would be as well protected."""
    raw = pd.read_csv(REPOSITORY / "data" / "real" / "keek2020_clinical.csv")["ID"]
    shown = [finished.notebooks / "15_real_patients.ipynb", *finished.folder.glob("share/*/real_*")]
    assert len(shown) == 10  # the notebook, five tables, two figures twice
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in shown]
    assert not [number for number in raw if any(number in text for text in texts)]
