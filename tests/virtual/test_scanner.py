"""The simulated scanner, measured as a physicist would: noise and its spectrum, edges, voltage."""

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
import yaml

from helpers.errors import StudyError
from helpers.study.places import REPOSITORY
from helpers.virtual import VirtualSite
from helpers.virtual import scanner as scanners
from helpers.virtual.shapes import Grid

PROTOCOL = REPOSITORY / "data" / "virtual" / "protocol.yml"
NUMBERS = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))["scanner"]
GRID = Grid(0.0, 0.0, 0.0, 0.7, 0.7, 0.5, 90, 80, 60)
MACHINE = scanners.Scanner(
    name="test",
    manufacturer="none",
    model="none",
    kernel="STANDARD",
    kvp=120.0,
    ma=35.0,
    pixel_mm=0.7,
    slice_mm=0.5,
    fwhm_mm=0.9,
    slice_fwhm_mm=0.65,
    noise_hu=23.0,
    bias_hu=0.0,
    cupping_hu=0.0,
)


def scan(volume, machine=MACHINE, seed=0):
    return scanners.scan(volume.astype(np.float32), machine, GRID, NUMBERS, np.random.default_rng(seed))


def uniform(hu):
    return np.full((GRID.nz, GRID.ny, GRID.nx), hu, np.float32)


def test_noise_has_the_level_asked_for_and_no_bias():
    voxels = scan(uniform(40))
    assert voxels.dtype == np.int16
    assert voxels.mean() == pytest.approx(40, abs=0.5)
    assert voxels.std() == pytest.approx(23, rel=0.02)
    assert voxels[:, 20:40, 20:40].std() == pytest.approx(23, rel=0.05)


def test_noise_power_rises_then_falls_with_frequency():
    noise = scan(uniform(0)).astype(float)
    power = (np.abs(np.fft.fft2(noise)) ** 2).mean(0)
    fy, fx = np.meshgrid(np.fft.fftfreq(GRID.ny, 0.7), np.fft.fftfreq(GRID.nx, 0.7), indexing="ij")
    radius = np.hypot(fx, fy)
    low, middle, high = (
        power[(radius > a) & (radius < b)].mean() for a, b in [(0, 0.1), (0.25, 0.4), (0.65, 0.7)]
    )
    assert middle > 1.5 * low and middle > 1.5 * high


def test_every_frequency_gets_its_share_of_noise():
    # Half of the spectrum is drawn; its first and last columns must not come out weaker.
    power = np.zeros((GRID.ny, GRID.nx))
    expected = scanners.noise_power(
        np.fft.fftfreq(GRID.nx, 0.7)[None, :], np.fft.fftfreq(GRID.ny, 0.7)[:, None], 0.9, NUMBERS
    )
    for seed in range(10):
        slices = scanners.plane_noise(
            (60, GRID.ny, GRID.nx), MACHINE, GRID, NUMBERS, np.random.default_rng(seed)
        )
        power += (np.abs(np.fft.fft2(slices)) ** 2).mean(0)
    ratio = power[:, [0, 10, GRID.nx // 2]].sum(0) / expected[:, [0, 10, GRID.nx // 2]].sum(0)
    np.testing.assert_allclose(ratio / ratio.mean(), 1, atol=0.03)


@pytest.mark.parametrize("fwhm", [0.9, 1.2])
def test_edge_is_blurred_by_the_kernel(fwhm):
    volume = uniform(0)
    volume[:, :, 45:] = 1000
    profile = scanners.blur(volume, replace(MACHINE, fwhm_mm=fwhm), GRID)[30, 40].astype(float)
    line = np.diff(profile) / 1000
    x = np.arange(line.size) * 0.7
    sd = np.sqrt((line * (x - (line * x).sum()) ** 2).sum())
    assert 2.3548 * sd == pytest.approx(fwhm, rel=0.05)


def test_blur_keeps_the_mean():
    volume = np.random.default_rng(1).normal(100, 50, (60, 80, 90)).astype(np.float32)
    assert scanners.blur(volume.copy(), MACHINE, GRID).mean() == pytest.approx(volume.mean(), abs=0.5)


def test_low_voltage_brightens_mineral_only():
    bone = {kvp: scan(uniform(137), replace(MACHINE, kvp=kvp)).mean() for kvp in (100.0, 120.0, 140.0)}
    assert bone[100.0] > bone[120.0] > bone[140.0]
    # Phantom work: 148 HU at 100 kV for 137 at 120 kV, 131 at 140 kV for 138.
    assert bone[100.0] == pytest.approx(148, abs=1) and bone[140.0] == pytest.approx(131, abs=2)
    assert scan(uniform(40), replace(MACHINE, kvp=100.0)).mean() == pytest.approx(40, abs=0.5)


def test_hu_stay_in_the_range_of_ct():
    assert scan(uniform(-1024)).min() == -1024 and scan(uniform(5000)).max() == 3071


def test_noise_and_sharpness_of_the_hospitals():
    settings = {}
    for role in ("development", "external"):
        site = VirtualSite(PROTOCOL, role, 40, 5)
        machines = [site._scanner(patient_id) for patient_id in site.screened()["patient_id"]]
        noise = np.array([machine.noise_hu for machine in machines])
        assert 21 < noise.mean() < 28 and noise.min() > 18 and noise.max() < 32
        assert all(0.58 <= machine.pixel_mm <= 0.79 for machine in machines)
        settings[role] = np.mean([machine.fwhm_mm for machine in machines]), noise.mean()
    assert settings["external"][0] < 0.85 * settings["development"][0]
    assert settings["external"][1] > settings["development"][1]


def test_second_hospital_reconstructs_with_kernels_and_thickness_of_its_own():
    found = {}
    for role in ("development", "external"):
        site = VirtualSite(PROTOCOL, role, 40, 5)
        scans = [site.scanner(patient_id) for patient_id in site.screened()["patient_id"]]
        found[role] = {(scan["name"], scan["kernel"], scan["spacing"][2]) for scan in scans}
    kernels = {role: {kernel for _, kernel, _ in of} for role, of in found.items()}
    assert not kernels["development"] & kernels["external"]
    assert {slice_mm for *_, slice_mm in found["development"]} == {0.5}
    # The study's own rule refuses voxels of more than 3 mm.
    assert {slice_mm for *_, slice_mm in found["external"]} == {1.0, 1.25}


def test_thick_slices_are_those_of_the_thin_ones_at_their_place():
    volume = np.random.default_rng(2).normal(size=(11, 4, 5)).astype(np.float32)
    np.testing.assert_array_equal(scanners.pick_slices(volume, 0.625, 1.25), volume[::2])
    np.testing.assert_array_equal(scanners.pick_slices(volume, 0.5, 0.5), volume)
    ramp = np.arange(11, dtype=np.float32)[:, None, None] * np.ones((1, 4, 5), np.float32)
    seen = scanners.pick_slices(ramp, 0.5, 1.25)[:, 0, 0]
    np.testing.assert_allclose(seen, [0, 2.5, 5, 7.5, 10], rtol=1e-6)


def test_thick_scan_mask_and_truth_share_a_grid_and_hold_what_is_there():
    site = VirtualSite(PROTOCOL, "external", 40, 5)
    patient_id = site.screened()["patient_id"][0]
    image, mask = site.acquire(patient_id)
    truth = site.truth(patient_id)
    for other in (mask, truth.mask, truth.noise_free):
        assert other.GetSize() == image.GetSize() and other.GetSpacing() == image.GetSpacing()
        assert other.GetOrigin() == image.GetOrigin()
    voxels, inside = sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(truth.mask) > 3
    assert image.GetSpacing()[2] == site.scanner(patient_id)["spacing"][2] > 0.9
    assert voxels[inside].mean() == pytest.approx(truth.latent.hu_l1, abs=8)


def test_unknown_scanner_is_said():
    protocol = yaml.safe_load(PROTOCOL.read_text(encoding="utf-8"))
    site = VirtualSite(PROTOCOL, "development", 40, 5)
    person = site._person("D0001").copy()
    person["scanner"] = "Toaster"
    with pytest.raises(StudyError, match="Toaster"):
        scanners.draw_scanner(protocol, "development", person, np.random.default_rng(0))
