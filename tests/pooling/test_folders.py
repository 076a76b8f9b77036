"""Protects: a centre pools nothing that is damaged, edited, foreign or there twice, and says what is wrong.

Forty folders, each with its own sentence."""

import json

import pytest
from synthetic_site import content, rewritten, share_folder

from helpers.errors import StudyError
from helpers.pooling.folders import read_folder, require_together

# ----------------------------------------------------------------------- one folder, read by itself


def _text(folder, change):
    path = folder / "site.json"
    path.write_bytes(change(path.read_bytes()))


def _set(*place, to):
    """Write a value at a place of the file, with a right checksum: somebody who knew how."""

    def change(told):
        for part in place[:-1]:
            told = told[part]
        told[place[-1]] = to

    return lambda folder: rewritten(folder, change)


def _drop(*place):
    def change(told):
        for part in place[:-1]:
            told = told[part]
        del told[place[-1]]

    return lambda folder: rewritten(folder, change)


NOMOGRAM = ("hospitals", 0, "models", "nomogram")
CONFUSION = (*NOMOGRAM, "confusion")
DAMAGED = {
    "no folder": (lambda folder: folder.rename(folder.with_name("gone")), "there is no such folder"),
    "no file": (lambda folder: (folder / "site.json").unlink(), "there is no site.json in it"),
    "another name": (
        lambda folder: (folder / "site.json").rename(folder / "site.json.txt"),
        "there is no site.json in it",
    ),
    "a whole run": (
        lambda folder: share_folder(folder / "share"),
        "whole run folder",
    ),
    "empty": (lambda folder: _text(folder, lambda text: b""), "is damaged: it is not whole"),
    "cut off": (lambda folder: _text(folder, lambda text: text[: len(text) // 2]), "is damaged"),
    "one byte short": (lambda folder: _text(folder, lambda text: text[:-3]), "is damaged"),
    "another encoding": (
        lambda folder: _text(folder, lambda text: text.decode().encode("utf-16")),
        "is damaged",
    ),
    "bits turned": (lambda folder: _text(folder, lambda text: bytes(b ^ 255 for b in text)), "is damaged"),
    "a web page": (lambda folder: _text(folder, lambda text: b"<html>log in</html>"), "is damaged"),
    "NaN": (lambda folder: _text(folder, lambda text: text.replace(b"160", b"NaN", 1)), "is damaged"),
    "a list": (lambda folder: _text(folder, lambda text: b"[1, 2]"), "holds no named fields"),
    "another file": (lambda folder: _text(folder, lambda text: b'{"format": 4}'), "is no file of radbook"),
    "a manifest": (lambda folder: _text(folder, lambda text: b'{"sha256": {}}'), "is no file of radbook"),
    "of tomorrow": (_set("version", to=2), "has version 2 of the list of fields"),
    "no version": (_drop("version"), "has version None"),
    "edited": (
        lambda folder: _text(folder, lambda text: text.replace(b"Hospital 1", b"Hospital 9")),
        "its checksum is wrong",
    ),
    "a number edited": (
        lambda folder: _text(folder, lambda text: text.replace(b'"min_cell": 10', b'"min_cell": 11')),
        "its checksum is wrong",
    ),
    "no checksum": (
        lambda folder: _text(folder, lambda text: json.dumps({**json.loads(text), "sha256": ""}).encode()),
        "its checksum is wrong",
    ),
    "a field more": (_set("patients_list", to=[]), "does not keep to its contract.*patients_list"),
    "a row of patients": (
        _set("hospitals", 0, "rows", to=[{"age": 61}]),
        "does not keep to its contract.*hospitals.0.rows",
    ),
    "a field less": (_drop("outcome"), "does not keep to its contract.*outcome"),
    "no hospital": (_set("hospitals", to=[]), "does not keep to its contract.*hospitals"),
    "a text for a number": (_set(*NOMOGRAM, "auc", to="0.81"), "does not keep to its contract.*auc"),
    "half a patient": (_set("hospitals", 0, "events", to=60.5), "does not keep to its contract.*events"),
    "another mark": (_set("hospitals", 0, "events", to="few"), "does not keep to its contract.*events"),
    "a foreign checksum": (_set("bundle", to="abc"), "does not keep to its contract.*bundle"),
    "an AUC of percent": (_set(*NOMOGRAM, "auc", to=81.0), "contradicts itself.*AUC outside 0 to 1"),
    "a negative variance": (
        _set("hospitals", 0, "auc_covariance", "nomogram", "nomogram", to=-0.001),
        "contradicts itself.*covariances of the AUCs are no covariances",
    ),
    "an uneven covariance": (
        _set("hospitals", 0, "auc_covariance", "nomogram", "clinical", to=0.5),
        "contradicts itself.*covariances of the AUCs",
    ),
    "a model less": (
        _drop("hospitals", 0, "models", "clinical"),
        "contradicts itself.*covariances of the AUCs are not of its models",
    ),
    "more events than patients": (
        _set("hospitals", 0, "events", to=900),
        "contradicts itself.*more patients with the outcome",
    ),
    "other counts": (_set(*CONFUSION, "true_positive", to=77), "contradicts itself.*counts at the cut-off"),
    "another net benefit": (
        _set(*NOMOGRAM, "net_benefit", 2, "net_benefit", to=0.123456),
        "contradicts itself.*that of no number of patients",
    ),
    "an impossible net benefit": (
        _set(*NOMOGRAM, "net_benefit", 0, "net_benefit", to=0.99),
        "contradicts itself.*larger than the share",
    ),
    "other thresholds": (
        _set(*NOMOGRAM, "net_benefit", 0, "threshold", to=0.15),
        "contradicts itself.*not at the thresholds",
    ),
    "a negative SD": (
        _set("hospitals", 0, "predictors", "age", "sd", to=-8.0),
        "contradicts itself.*standard deviation is below 0",
    ),
    "a small count": (
        _set("hospitals", 0, "predictors", "sex", to={"female": 157, "male": 3}),
        "tells of fewer than 10 patients.*'sex'",
    ),
    "a small box of the flow chart": (
        _set("flow", 1, "patients", to=4),
        r"tells of fewer than 10 patients.*flow chart",
    ),
    "a small difference": (
        _set("hospitals", 0, "described", to=163),
        "tells of fewer than 10 patients.*how few of them were not judged",
    ),
}
# ------------------------------------------------------------------ folders that do not belong together
FOREIGN = {
    "another bundle": ({"bundle": "c" * 64}, "was judged with another frozen model"),
    "other settings": ({"settings": "c" * 64}, "other extraction settings"),
    "another engine": ({"engine": {"pyradiomics-bhklab": "3.0"}}, "other program versions"),
    "another outcome": ({"outcome": "osteopenia, DXA T-score at or below -1"}, "has another outcome"),
    "real patients": ({"virtual": False}, "mixes simulated with real patients"),
    "other training patients": ({"training": {}}, "tells of other training patients"),
    "the same name": ({"label": "hospital 1"}, "The hospital 'Hospital 1' is there twice"),
    "the same patients": ({"seed": 1}, "hold the same patients under two names"),
}


def test_forty_damaged_or_foreign_folders():
    assert len(DAMAGED) + len(FOREIGN) >= 40


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_folder_is_refused_with_its_sentence(tmp_path, name):
    damage, sentence = DAMAGED[name]
    damage(share_folder(tmp_path / "from_hospital_1", n=160))
    with pytest.raises(StudyError, match=f"(?s)'from_hospital_1': .*{sentence}") as refused:
        read_folder(tmp_path / "from_hospital_1")
    assert str(tmp_path) not in str(refused.value)


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_folder_is_refused_with_its_sentence(tmp_path, name):
    changes, sentence = FOREIGN[name]
    first = read_folder(share_folder(tmp_path / "a"))
    second = read_folder(share_folder(tmp_path / "b", **({"label": "Hospital 2", "seed": 2} | changes)))
    with pytest.raises(StudyError, match=sentence):
        require_together({"a": first, "b": second})


def test_other_cut_offs_are_another_model(tmp_path):
    folders = [share_folder(tmp_path / name, label=name, seed=seed) for seed, name in enumerate("ab")]
    _set(*CONFUSION, "cutoff", to=0.2)(folders[1])
    _set(*CONFUSION, "true_positive", to="hidden")(folders[1])
    with pytest.raises(StudyError, match="other models or cut-offs"):
        require_together({folder.name: read_folder(folder) for folder in folders})


def test_folders_as_they_were_written_pass(tmp_path):
    folders = [share_folder(tmp_path / name, label=name, seed=seed) for seed, name in enumerate("abc")]
    require_together({folder.name: read_folder(folder) for folder in folders})


@pytest.mark.parametrize("n", [30, 80, 300])
def test_what_a_hospital_writes_is_accepted_however_much_is_hidden(tmp_path, n):
    for seed in range(10):
        site = read_folder(share_folder(tmp_path / f"{n}_{seed}", n=n, seed=seed, flow=[]))
        assert site.hospitals[0].patients == n


def test_order_and_layout_are_no_edit(tmp_path):
    folder = share_folder(tmp_path / "a")
    told = json.loads((folder / "site.json").read_text(encoding="utf-8"))
    turned = dict(reversed(told.items()))
    (folder / "site.json").write_text(json.dumps(turned), encoding="utf-8")
    assert read_folder(folder).model_dump() == read_folder(share_folder(tmp_path / "b")).model_dump()
    assert content()["sha256"] == told["sha256"]
