"""The fast extractor gives PyRadiomics' features: on odd ROIs, on odd settings, on real images."""

import ast
import csv
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import radiomics
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from radiomics import imageoperations
from radiomics.featureextractor import RadiomicsFeatureExtractor
from scipy.ndimage import gaussian_filter

from helpers.features.engine import counts, formulas, laplacian, mesh
from helpers.features.engine.gradient import gradient_images
from helpers.features.engine.texture import FastExtractor
from helpers.features.engine.wavelet import wavelet_images

IMAGE_TYPES = {
    "Original": {},
    "Wavelet": {"wavelet": "coif1"},
    "LoG": {"sigma": [1.0, 2.0, 3.0, 4.0, 5.0]},
    "Square": {},
    "Gradient": {},
    "Exponential": {},
    "Logarithm": {},
}
REAL = Path(os.environ.get("RADBOOK_REAL_DATA", "not set"))
needs_real_data = pytest.mark.skipif(
    "RADBOOK_REAL_DATA" not in os.environ, reason="RADBOOK_REAL_DATA is not set"
)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # PyRadiomics' 0 / 0 on flat ROIs


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    radiomics.setVerbosity(60)
    yield
    radiomics.setVerbosity(30)


def parameters(image_types=None, **setting):
    setting = {"binWidth": 25, "additionalInfo": False} | setting
    return {"setting": setting, "imageType": image_types or IMAGE_TYPES}


def to_images(volume, mask, spacing=(1.0, 1.0, 1.0)):
    images = sitk.GetImageFromArray(volume), sitk.GetImageFromArray(mask.astype(np.uint8))
    for image in images:
        image.SetSpacing(spacing)
    return images


def features_or_error(extractor, image, mask):
    try:
        return extractor.execute(image, mask)
    except Exception as error:
        return type(error), str(error)


def assert_equal_features(ours, theirs, relative=1e-9):
    assert type(ours) is type(theirs), (ours, theirs)
    if isinstance(theirs, tuple):  # PyRadiomics refuses: so must we, in the same words
        assert ours == theirs
        return
    assert list(ours) == list(theirs)
    ours, names = np.array([float(v) for v in ours.values()]), np.array(list(theirs))
    theirs = np.array([float(v) for v in theirs.values()])
    close = np.abs(ours - theirs) <= relative * np.abs(theirs)
    wrong = ~(close | (ours == theirs) | (np.isnan(ours) & np.isnan(theirs)))
    assert not wrong.any(), list(zip(names[wrong], ours[wrong], theirs[wrong], strict=True))[:10]


def compare(image, mask, params):
    assert_equal_features(
        features_or_error(FastExtractor(params), image, mask),
        features_or_error(RadiomicsFeatureExtractor(params), image, mask),
    )


def bone(seed=0, shape=(20, 18, 22)):
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=shape), 0.8)
    return np.round(130 + 60 * noise / noise.std()).astype(np.int16)


def ball(shape=(20, 18, 22), radius=0.7):
    z, y, x = (np.linspace(-1, 1, n) for n in shape)
    return z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2


def box(*slices):
    mask = np.zeros((20, 18, 22), bool)
    for one in slices:
        mask[one] = True
    return mask


s = np.s_
ROIS = {
    "ball": (bone(), ball()),
    "touches every border": (bone(1), box(s[:, :, :])),
    "disconnected": (bone(2), box(s[2:6, 3:8, 3:9], s[12:18, 10:16, 12:20], s[9, 9, 9])),
    "scattered": (bone(3), np.random.default_rng(3).random((20, 18, 22)) < 0.1),
    "few grey levels": (np.where(bone(4) > 130, 100, 60).astype(np.int16), ball()),
    "one grey level": (np.where(ball(), 110, bone(5)).astype(np.int16), ball()),
    "flat image": (np.full((20, 18, 22), 100, np.int16), ball()),
    "zero image": (np.zeros((20, 18, 22), np.int16), ball()),
    "one slice": (bone(6), box(s[10, 4:12, 4:12])),
    "one line": (bone(6), box(s[10, 4, 4:12])),
    "three voxels": (bone(7), box(s[10, 9, 9:11], s[10, 10, 9])),
    "two distant voxels": (bone(7), box(s[10, 9, 9], s[12, 16, 4])),
    "one voxel": (bone(7), box(s[10, 9, 9])),
    "empty": (bone(7), box()),
    "floating point": (bone(8).astype(np.float32) / 7, ball()),
    "double precision": (bone(8).astype(float) / 7, ball()),
    "negative": ((bone(9) - 1024).astype(np.int16), ball()),
    "wide range": (bone(9).astype(np.int32) * 2, ball()),
}


@pytest.mark.parametrize("case", ROIS)
def test_equals_pyradiomics_on_every_kind_of_roi(case):
    compare(*to_images(*ROIS[case]), parameters())


def test_rare_grey_levels_feel_pyradiomics_epsilon():
    """Of two bright voxels apart from the rest: the epsilon in Q's divisor moves MCC along their angle."""
    volume, mask = bone(11, (40, 38, 42)), ball((40, 38, 42), 0.8)
    volume[1, 1, 1:3], mask[1, 1, 1:3] = (2000, 2600), True
    compare(*to_images(volume, mask), parameters({"Original": {}}))


@pytest.mark.parametrize("where", ["inside", "first", "outside"])
def test_equals_pyradiomics_where_a_voxel_is_not_a_number(where):
    volume, mask = bone(10).astype(float), ball()
    volume[{"inside": (10, 9, 11), "first": tuple(np.argwhere(mask)[0]), "outside": (0, 0, 0)}[where]] = (
        np.nan
    )
    compare(*to_images(volume, mask), parameters({"Original": {}, "Square": {}, "LoG": {"sigma": [1.0]}}))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    density=st.floats(0.05, 1),
    levels=st.integers(1, 40),
    spacing=st.tuples(*[st.floats(0.3, 5)] * 3),
)
def test_equals_pyradiomics_on_random_rois(seed, shape, density, levels, spacing):
    rng = np.random.default_rng(seed)
    volume, mask = 25 * rng.integers(0, levels, shape, np.int16), rng.random(shape) < density
    compare(*to_images(volume, mask, spacing), parameters({"Original": {}}))


@pytest.mark.parametrize(
    "setting",
    [
        {"force2D": True},
        {"distances": [1, 2]},
        {"gldm_a": 1},
        {"symmetricalGLCM": False},
        {"weightingNorm": "euclidean"},
        {"binCount": 16},
        {"binWidth": 3.7},
        {"voxelArrayShift": 1000},
        {"resegmentRange": [100, 160]},
        {"resegmentRange": [100, 160], "resegmentShape": True},
        {"normalize": True, "normalizeScale": 100},
        {"resampledPixelSpacing": [2, 2, 2]},
        {"minimumROISize": 10**6},
        {"label": 2},
    ],
    ids=str,
)
def test_other_settings_fall_back_to_pyradiomics(setting):
    image, mask = to_images(bone(), ball() + (ball(radius=0.4)).astype(int), (0.8, 0.7, 2.0))
    compare(image, mask, parameters({"Original": {}, "LoG": {"sigma": [2.0, 30.0]}}, **setting))


def test_chosen_features_and_additional_info():
    chosen = parameters({"Original": {}}, additionalInfo=True)
    chosen["featureClass"] = {"shape": ["MeshVolume"], "glcm": ["Contrast", "Id"], "firstorder": None}
    image, mask = to_images(bone(), ball())
    ours, theirs = (e(chosen).execute(image, mask) for e in (FastExtractor, RadiomicsFeatureExtractor))
    assert list(ours) == list(theirs)
    assert_equal_features(*({k: v for k, v in f.items() if k.startswith("original")} for f in (ours, theirs)))


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.7, 0.8, 2.5)])
@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.float64])
def test_laplacian_of_gaussian_equals_itk_bit_for_bit(dtype, spacing):
    volume = bone(shape=(7, 40, 33)).astype(dtype)
    image, _ = to_images(volume, ball(), spacing)
    for sigma in (0.5, 1.0, 5.0):
        itk = sitk.GetArrayFromImage(sitk.LaplacianRecursiveGaussian(image, sigma, True))
        for window in (s[:, :, :], s[2:6, 7:39, 1:30], s[3:4, 0:1, 32:33]):
            ours = laplacian.laplacian_of_gaussian(volume.astype(float), window, spacing, sigma)
            assert ours.dtype == itk.dtype
            np.testing.assert_array_equal(ours, itk[window])


@pytest.mark.parametrize("name", ["coif1", "haar", "db4", "bior2.4"])
@pytest.mark.parametrize("shape", [(12, 14, 10), (13, 14, 11)])
def test_wavelets_equal_pywt_bit_for_bit(name, shape):
    volume = bone(shape=shape) * (np.arange(shape[2]) > 3)  # plains, where the last bit decides about a bin
    image, mask = to_images(volume.astype(np.int16), np.ones(shape))
    theirs = list(imageoperations.getWaveletImage(image, mask, wavelet=name))
    for window in (s[:, :, :], s[2:9, 0:8, 3:10]):
        ours = list(wavelet_images(image, mask, window, wavelet=name))
        for (our, our_name, _), (their, their_name, _) in zip(ours, theirs, strict=True):
            assert our_name == their_name
            np.testing.assert_array_equal(our, sitk.GetArrayFromImage(their)[window])


@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.float64])
@pytest.mark.parametrize("spaced", [True, False])
def test_gradients_equal_itk(dtype, spaced):
    volume = (bone(shape=(7, 40, 33)) / 7).astype(dtype)
    image, mask = to_images(volume, np.ones(volume.shape), (0.7, 0.8, 2.5))
    ((itk, name, _),) = imageoperations.getGradientImage(image, mask, gradientUseSpacing=spaced)
    for window in (s[:, :, :], s[2:6, 7:39, 1:30], s[6:7, 0:1, 32:33]):
        ((ours, our_name, _),) = gradient_images(image, mask, window, gradientUseSpacing=spaced)
        assert our_name == name and ours.dtype == np.float32
        np.testing.assert_array_equal(ours, sitk.GetArrayFromImage(itk)[window])


@pytest.mark.parametrize("own", [{"level": 2}, {"start_level": 1}, {"wavelet": "db10"}])
def test_other_wavelet_settings_are_left_to_pyradiomics(own):
    compare(*to_images(bone(), ball()), parameters({"Wavelet": own}))


def test_the_fast_way_is_taken_where_it_can_be(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("PyRadiomics' own way was taken")

    for name in ("computeFeatures", "computeShape"):
        monkeypatch.setattr(RadiomicsFeatureExtractor, name, refuse)
    monkeypatch.setattr(sitk, "LaplacianRecursiveGaussianImageFilter", refuse)
    monkeypatch.setattr(imageoperations, "getWaveletImage", refuse)
    image, mask = to_images(bone(), ball())
    assert len(FastExtractor(parameters()).execute(image, mask)) == 1688
    with pytest.raises(AssertionError, match="own way"):
        FastExtractor(parameters({"Original": {}}, gldm_a=1)).execute(image, mask)


def test_patients_in_threads_do_not_mix():
    patients = [to_images(bone(seed), ball(radius=0.5 + seed / 20)) for seed in range(6)]
    extractor = FastExtractor(parameters())
    alone = [extractor.execute(*patient) for patient in patients]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(lambda patient: extractor.execute(*patient), patients))
    assert together == alone


def test_pyradiomics_itself_is_left_as_it_was():
    classes = {name: vars(kind).copy() for name, kind in radiomics.getFeatureClasses().items()}
    FastExtractor(parameters()).execute(*to_images(bone(), ball()))
    assert classes == {name: dict(vars(kind)) for name, kind in radiomics.getFeatureClasses().items()}


def test_compiled_code_is_kept_on_disk():
    FastExtractor(parameters({"Original": {}, "LoG": {"sigma": [1.0]}})).execute(*to_images(bone(), ball()))
    for compiled in (
        counts.count_pairs_and_runs,
        counts.find_zones,
        formulas.glrlm,
        laplacian.recursive_gaussian,
        mesh.widest,
    ):
        assert list(Path(compiled.stats.cache_path).glob(f"*.{compiled.__name__}-*.nbi"))


def official_values(folder):
    """PyRadiomics' published values: {(image, settings): {feature: value}}, all classes but 2D shape."""
    published = {}
    for path in sorted(folder.glob("baseline_*.csv")):
        if path.stem == "baseline_shape2D":
            continue
        with open(path, newline="") as file:
            rows = {row.pop("featureName"): row for row in csv.DictReader(file)}
        for case, text in rows["diagnostics_Configuration_Settings"].items():
            image = case.split("_")[0]
            if image in ("brain1", "breast1"):
                key = image, str(sorted(ast.literal_eval(text).items()))
                values = {
                    name: float(row[case]) for name, row in rows.items() if name.startswith("original_")
                }
                published.setdefault(key, {}).update(values)
    return published


@needs_real_data
def test_official_baseline_of_pyradiomics():
    """PyRadiomics' published values: all within its own tolerance (3 percent), nearly all far closer."""
    folder, deviations = REAL / "pyradiomics_baseline", []
    for (name, setting), published in official_values(folder).items():
        extractor = FastExtractor(**dict(ast.literal_eval(setting)) | {"additionalInfo": False})
        extractor.disableAllFeatures()
        for feature_class in {feature.split("_")[1] for feature in published}:
            extractor.enableFeatureClassByName(feature_class)
        values = extractor.execute(*(str(folder / f"{name}_{kind}.nrrd") for kind in ("image", "label")))
        for feature, value in published.items():
            deviations.append(abs(float(values[feature]) - value) / max(abs(value), 1e-10))
    assert len(deviations) > 1000
    assert max(deviations) < 0.03
    assert np.mean(np.array(deviations) < 1e-6) > 0.995


@pytest.mark.slow
@needs_real_data
def test_equals_pyradiomics_on_a_real_ct():
    folder = REAL / "ct" / "tptbox_L3"
    image = sitk.ReadImage(str(folder / "sub-ct_label-22_ct.nii.gz"))
    mask = sitk.ReadImage(str(folder / "sub-ct_trabecular_L2L3L4_mask.nii.gz"))
    compare(image, mask != 0, parameters(resampledPixelSpacing=[1, 1, 1], padDistance=5))
