"""Protects that cut scans are noticed, and whole ones and virtual patients are left in peace."""

import pytest
import SimpleITK as sitk

from helpers.imaging.fields import is_whole, sides_mm
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite

CHEST = {"size": (512, 512, 300), "spacing": (0.7, 0.7, 1.0)}


def scan(size=CHEST["size"], spacing=CHEST["spacing"], axes="LPS"):
    image = sitk.Image([n // 4 for n in size], sitk.sitkInt16)
    image.SetSpacing([4 * step for step in spacing])
    return sitk.DICOMOrient(image, axes)


@pytest.mark.parametrize("axes", ["LPS", "RAI", "SPL", "PIR"])
def test_sides_follow_the_patient_not_the_order_of_axes(axes):
    assert sides_mm(scan(axes=axes)).round(1).tolist() == [358.4, 358.4, 300.0]
    assert is_whole(scan(axes=axes), simulated=False)


@pytest.mark.parametrize(
    "size",
    [(180, 160, 300), (512, 400, 300), (400, 512, 300), (512, 512, 120), (240, 240, 300)],
    ids=["spine", "front and back cut", "sides cut", "few slices", "square cut"],
)
@pytest.mark.parametrize("axes", ["LPS", "SPL"])
def test_cut_scans_are_noticed(size, axes):
    assert not is_whole(scan(size, axes=axes), simulated=False)


@pytest.mark.parametrize("role", ["development", "external"])
def test_no_virtual_patient_is_taken_for_a_cut_one(role):
    """Every field of view of 300 patients; sizes follow from pixels alone, so one image of each is enough."""
    site = VirtualSite(REPOSITORY / "data" / "virtual" / "protocol.yml", role, 300, seed=11)
    people = site.screened().query("allocation != ''")["patient_id"]
    pixels = {site.scanner(patient)["spacing"]: patient for patient in people}
    for patient in list(pixels.values())[::8]:
        image = site.acquire(patient)[0]
        assert is_whole(image, simulated=True), sides_mm(image)
        assert not is_whole(image[24:, :, :], simulated=True)
        assert not is_whole(image[:, 24:, :], simulated=True)
