"""Protects: hospitals that come later join those that are there, and each result says which files made it."""

import json

import pandas as pd
import pytest
from synthetic_site import content, rewritten, share_folder

from helpers.errors import StudyError
from helpers.pooling import registry


@pytest.fixture
def three(tmp_path):
    return [share_folder(tmp_path / f"h{n}" / "share", label=f"Hospital {n}", seed=n) for n in range(3)]


def test_later_hospitals_are_added_and_every_pool_is_known(tmp_path, three):
    first = registry.pool(three[:2], tmp_path / "pooled")
    second = registry.pool(three[2:], tmp_path / "pooled")
    assert [len(one.sites) for one in (first, second)] == [2, 3] and first.id != second.id
    pools = registry.changes(tmp_path / "pooled").set_index("pool")
    assert pools.index.tolist() == [first.id, second.id]
    assert pools.loc[second.id, ["hospitals", "came", "went"]].tolist() == [3, "Hospital 2", ""]
    kept = registry.read_registry(tmp_path / "pooled").pools[-1].members
    assert {member.sha256 for member in kept} == {content(f"Hospital {n}", n)["sha256"] for n in range(3)}
    assert {member.software for member in kept} == {"0.1.0"}


def test_the_order_of_folders_makes_no_other_pool(tmp_path, three):
    one, other = (registry.pool(part, tmp_path / name) for name, part in (("a", three), ("b", three[::-1])))
    assert one.id == other.id
    assert [site.study for site in one.sites] == [site.study for site in other.sites]


def test_a_hospital_that_is_there_already_is_refused_and_nothing_is_written(tmp_path, three):
    registry.pool(three[:2], tmp_path / "pooled")
    with pytest.raises(StudyError, match="'Hospital 1' is there twice"):
        registry.pool([three[2], three[1]], tmp_path / "pooled")
    assert len(registry.open_pooled(tmp_path / "pooled").sites) == 2


def test_one_that_is_taken_out_is_told_to_have_gone(tmp_path, three):
    first = registry.pool(three, tmp_path / "pooled")
    (tmp_path / "pooled" / "sites" / f"site-{first.sites[0].sha256[:12]}" / "site.json").unlink()
    registry.pool([], tmp_path / "pooled")
    assert registry.changes(tmp_path / "pooled")["went"].tolist() == ["", "Hospital 0"]


def test_a_file_that_is_edited_in_the_pooled_folder_is_refused(tmp_path, three):
    pooled = registry.pool(three, tmp_path / "pooled")
    path = tmp_path / "pooled" / "sites" / f"site-{pooled.sites[1].sha256[:12]}" / "site.json"
    path.write_text(path.read_text(encoding="utf-8").replace("160", "170"), encoding="utf-8")
    with pytest.raises(StudyError, match="its checksum is wrong"):
        registry.open_pooled(tmp_path / "pooled")


def test_a_later_file_of_few_other_patients_is_refused_also_when_the_earlier_is_taken_out(tmp_path, three):
    """Books of both pools would be subtracted; thirty others, with the outcome and without, are let in."""
    out = tmp_path / "pooled"
    first = registry.pool(three, out)
    (out / "sites" / f"site-{first.sites[1].sha256[:12]}" / "site.json").unlink()
    for n, name in ((163, "few"), (151, "fewer")):
        later = share_folder(tmp_path / name, label="hospital 1", seed=1, n=n)
        with pytest.raises(StudyError, match=r"'hospital 1' has few patients.*pooled on \d{4}-"):
            registry.pool([later], out)
    assert len(registry.open_pooled(out).sites) == 2
    registry.pool([share_folder(tmp_path / "more", label="Hospital 1", seed=1, n=260)], out)
    registry.pool([three[1]], tmp_path / "elsewhere")  # who pools for the first time knows of no earlier file
    assert len(registry.open_pooled(out).sites) == 3


def test_tables_say_which_pool_made_them(tmp_path, three, monkeypatch):
    """In words also where the checksum looks like a number (this one came up, as infinity)."""
    monkeypatch.setattr(registry, "content_hash", lambda text: "25e544392347" + "0" * 52)
    pooled = registry.pool(three, tmp_path / "pooled")
    pooled.write_table("any", pd.DataFrame({"hospital": ["=A"]}))
    table = pd.read_csv(tmp_path / "pooled" / "share" / "tables" / "any.csv")
    assert table.iloc[0].tolist() == ["virtual", pooled.id, "'=A"]


def test_no_hospital_and_a_damaged_registry_are_told(tmp_path, three):
    with pytest.raises(StudyError, match="name hospitals' share folders"):
        registry.pool([], tmp_path / "pooled")
    with pytest.raises(StudyError, match="named twice"):
        registry.pool([three[0], three[0]], tmp_path / "pooled")
    registry.pool(three, tmp_path / "pooled")
    (tmp_path / "pooled" / "registry.json").write_text("{", encoding="utf-8")
    with pytest.raises(StudyError, match=r"registry\.json of the pooled folder is damaged"):
        registry.read_registry(tmp_path / "pooled")


def test_a_foreign_hospital_that_comes_later_is_refused(tmp_path, three):
    registry.pool(three[:2], tmp_path / "pooled")
    rewritten(three[2], lambda told: told.update(bundle="d" * 64))
    with pytest.raises(StudyError, match="another frozen model"):
        registry.pool(three[2:], tmp_path / "pooled")
    assert json.loads((tmp_path / "pooled" / "registry.json").read_text())["pools"][0]["members"]


def test_two_processes_do_not_pool_in_one_folder(tmp_path, three):
    """The second is told whose the folder is; one that nobody used is not left behind."""
    with registry.working_in(tmp_path / "pooled"):
        registry.pool(three[:2], tmp_path / "pooled")
        with pytest.raises(StudyError, match="works in .*pooled: .* or name another pooled folder"):
            with registry.working_in(tmp_path / "pooled"):
                pass
    assert not (tmp_path / "pooled" / "lock.json").exists()
    with pytest.raises(StudyError, match="no such folder"), registry.working_in(tmp_path / "new"):
        registry.pool([tmp_path / "none"], tmp_path / "new")
    assert not (tmp_path / "new").exists()
