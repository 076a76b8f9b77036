"""Study files are checked before anything runs."""

import pytest
import yaml

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.study.sites import POINTS_MARGIN_MM
from helpers.study.study_file import load_study

STUDIES = REPOSITORY / "data" / "studies"
GOOD = yaml.safe_load((STUDIES / "quick.yml").read_text(encoding="utf-8"))


def written(folder, **changes):
    path = folder / "study.yml"
    path.write_text(yaml.safe_dump(GOOD | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["virtual", "quick", "template"])
def test_study_files_in_the_repository_are_valid(name):
    assert load_study(STUDIES / f"{name}.yml").sites


def test_a_misspelt_key_is_named_with_its_place(tmp_path):
    sites = [GOOD["sites"][0] | {"rolle": "development"}]
    with pytest.raises(StudyError, match=r"sites\.0\.rolle: is not a key"):
        load_study(written(tmp_path, sites=sites))


def test_all_problems_are_told_at_once(tmp_path):
    with pytest.raises(StudyError, match=r"2 problem.*seed.*second_reader_cases"):
        load_study(written(tmp_path, seed="soon", second_reader_cases=1))


def test_a_limit_of_two_would_say_what_it_hides(tmp_path):
    """ "<2" is one patient."""
    with pytest.raises(StudyError, match="min_cell: .*take 3 or more"):
        load_study(written(tmp_path, min_cell=2))
    assert [load_study(written(tmp_path, min_cell=least)).min_cell for least in (0, 3, 10)] == [0, 3, 10]


@pytest.mark.parametrize(("key", "told"), [("file", "file: is not a key"), (1, "1: Keys should be strings")])
def test_keys_that_python_would_trip_over_are_told_too(tmp_path, key, told):
    path = written(tmp_path)
    path.write_text(f"{key}: x\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    with pytest.raises(StudyError, match=told):
        load_study(path)


OWN = {"name": "A", "role": "development", "table": {"path": "a.csv"}, "images": "ct/{patient_id}"}


@pytest.mark.parametrize("points", ["p/{patient_id}.mrk.json", {"path": "points.csv", "patient_id": "ID"}])
def test_points_stand_in_place_of_masks_or_beside_them(tmp_path, points):
    (site,) = load_study(written(tmp_path, sites=[OWN | {"points": points}])).sites
    assert site.margin_mm == POINTS_MARGIN_MM
    both = OWN | {"points": points, "masks": "m/{patient_id}.nii.gz"}
    assert load_study(written(tmp_path, sites=[both])).sites[0].masks == "m/{patient_id}.nii.gz"


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ({"name": "A", "role": "development"}, "needs table, images, masks"),
        (GOOD["sites"][0] | {"images": "ct/{patient_id}"}, "has both 'virtual' and files"),
        (
            {"name": "A", "role": "development", "table": {"path": "a.csv"}, "images": "ct", "masks": "m"},
            "must hold {patient_id}",
        ),
        (OWN | {"points": "points/all.csv"}, "must hold {patient_id}"),
        (
            OWN | {"points": "p/{patient_id}.csv", "segmenter": "totalsegmentator"},
            "both 'points' and a 'segm",
        ),
    ],
)
def test_impossible_sites_are_explained(tmp_path, site, message):
    with pytest.raises(StudyError, match=message):
        load_study(written(tmp_path, sites=[site]))


FILES = {"table": {"path": "a.csv"}, "features": {"path": "f.csv"}}


def test_split_by_site_pools_all_sites_and_needs_no_role(tmp_path):
    sites = [{"name": name} | FILES for name in "ABC"]
    study = load_study(written(tmp_path, sites=sites, split={"by": "site"}))
    assert [site.name for site in study.development_sites] == ["A", "B", "C"]
    assert study.external_sites == []
    with pytest.raises(StudyError, match=r"sites\.0\.role: is missing"):
        load_study(written(tmp_path, sites=sites))


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([{"name": "A"} | FILES], "there is only one"),
        ([GOOD["sites"][0], GOOD["sites"][0] | {"name": "B"}], "are the same patients"),
        ([{"name": "A"} | FILES, {"name": "B", "role": "external"} | FILES], "leave out the role of 'B'"),
    ],
)
def test_what_contradicts_a_split_by_site_is_told(tmp_path, sites, message):
    with pytest.raises(StudyError, match=message):
        load_study(written(tmp_path, sites=sites, split={"by": "site"}))


def test_several_external_sites_keep_their_order(tmp_path):
    sites = [{"name": "A", "role": "development"} | FILES]
    sites += [{"name": name, "role": "external"} | FILES for name in "ZB"]
    assert [site.name for site in load_study(written(tmp_path, sites=sites)).external_sites] == ["Z", "B"]


def test_a_missing_study_file_points_to_the_template():
    with pytest.raises(StudyError, match="no study file 'nowhere.yml'.*template"):
        load_study("nowhere.yml")


def test_broken_yaml_is_told_with_its_line(tmp_path):
    path = tmp_path / "study.yml"
    path.write_text("name: [a\nseed: 1\n", encoding="utf-8")
    with pytest.raises(StudyError, match="not valid YAML.*line 2"):
        load_study(path)


def test_random_numbers_depend_on_seed_and_step_only(tmp_path):
    study = load_study(written(tmp_path))
    again = load_study(written(tmp_path))
    other = load_study(written(tmp_path, seed=1))
    assert study.rng("split").random() == again.rng("split").random()
    assert study.rng("split").random() != study.rng("folds").random()
    assert study.rng("split").random() != other.rng("split").random()


def outcome_of(tmp_path, **outcome):
    sites = [{"name": "A", "role": "development", "table": {"path": "a.csv"}, "features": {"path": "f.csv"}}]
    return load_study(written(tmp_path, sites=sites, outcome=outcome))


def test_the_papers_question_is_the_one_that_is_asked_when_none_is_named(tmp_path):
    study = load_study(STUDIES / "virtual.yml")
    assert study.is_of_paper_design and study.inclusion.min_age == 50
    assert study.outcome.titles == {0: "No osteoporosis", 1: "Osteoporosis"}
    assert outcome_of(tmp_path, given=True).is_of_paper_design
    assert not load_study(written(tmp_path, region="the liver")).is_of_paper_design


def test_another_outcome_is_given_by_the_tables_and_takes_patients_of_any_age(tmp_path):
    study = outcome_of(tmp_path, name="death within three years", positive="died", negative="alive")
    assert study.outcome.given and study.outcome.rule is None and not study.is_of_paper_design
    assert study.outcome.titles == {0: "Alive", 1: "Died"}
    assert study.inclusion.min_age == 0 and study.outcome.name_zh == "death within three years"
    short = outcome_of(tmp_path, name="relapse")
    assert short.outcome.groups == {0: "no relapse", 1: "relapse"}


@pytest.mark.parametrize("wrong", [{"given": False}, {"t_score_at_most": -1.0}])
def test_another_outcome_has_no_t_score(tmp_path, wrong):
    with pytest.raises(StudyError, match="the outcome 'relapse' has no T-score"):
        outcome_of(tmp_path, name="relapse", **wrong)


def test_two_groups_of_one_name_are_refused(tmp_path):
    with pytest.raises(StudyError, match="both groups are called 'x'"):
        outcome_of(tmp_path, name="relapse", positive="x", negative="x")


def test_the_old_name_of_the_outcomes_column_says_the_new_one(tmp_path):
    table = {"path": "a.csv", "columns": {"osteoporosis": "OP"}}
    sites = [{"name": "A", "role": "development", "table": table, "features": {"path": "f.csv"}}]
    with pytest.raises(StudyError, match="'osteoporosis' is called 'outcome': OP"):
        load_study(written(tmp_path, sites=sites))
