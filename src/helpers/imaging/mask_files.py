"""Regions in files: label maps, one file a vertebra, DICOM SEG, RTSTRUCT; all become codes on one grid."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.dataset import Dataset

from helpers.errors import StudyError, naming
from helpers.imaging.grids import match_grid
from helpers.imaging.regions import VERTEBRAE, code_table, label_codes, whole_vertebra
from helpers.imaging.volumes import read_volume
from helpers.study.sites import Vertebra

# A contour may lie this far (slices) beside the slice that it was drawn on: rounding.
_CONTOUR_TOLERANCE = 0.25
# Labels of a vertebral body: 1 in TotalSegmentator's vertebrae_body; else by the tools' own file names:
# spine-segment's process-body (1 is the arch there), and SPINEPS' sub-regions (border and inside).
_BODY_LABELS = {"process-body": (2,), "subreg": (49, 50)}


@dataclass(frozen=True)
class MaskFiles:
    """The files that hold one reader's regions of one patient, and how the study file names them.

    Attributes
    ----------
    files : dict
        Path by vertebra; one file for everything has the key "".
    names : dict
        Under the same keys, the path pattern.
    labels : str or dict
        As in the study file.
    bodies : Path or None
        Mask of the vertebral bodies.
    bodies_name : str
        Its path pattern.
    erode_mm : float
    """

    files: dict[Vertebra | str, Path]
    names: dict[Vertebra | str, str]
    labels: str | dict
    bodies: Path | None = None
    bodies_name: str = ""
    erode_mm: float = 0.0

    def unpacked(self, patient_id: str) -> MaskFiles:
        """Files instead of folders: TotalSegmentator's one file a vertebra, or the only DICOM file."""
        if set(self.files) != {""} or not self.files[""].is_dir():
            return self
        folder, name = self.files[""], self.names[""]
        if self.labels == "totalsegmentator":
            names = {vertebra: f"{name}/vertebrae_{vertebra}.nii.gz" for vertebra in VERTEBRAE}
            files = {vertebra: folder / Path(own).name for vertebra, own in names.items()}
            files = {vertebra: path for vertebra, path in files.items() if path.is_file()}
            if files:
                return replace(self, files=files, names=names, labels="layers")
        files = [path for path in folder.iterdir() if path.is_file()]
        if len(files) != 1:
            raise StudyError(
                f"{patient_id}, mask folder '{name}': {len(files)} files, where one DICOM SEG or RTSTRUCT is "
                "needed (or, with 'labels: totalsegmentator', vertebrae_T12.nii.gz and vertebrae_L1.nii.gz).",
                "mask",
            )
        return replace(self, files={"": files[0]})

    @property
    def paths(self) -> list[Path]:
        """Every file."""
        return [*self.files.values(), *([self.bodies] if self.bodies else [])]


def read_codes(masks: MaskFiles, image: sitk.Image, patient_id: str) -> tuple[sitk.Image, list[str]]:
    """Codes of layers and whole vertebrae, as of `regions.label_codes`, on the grid of ``image``.

    Returns
    -------
    codes : sitk.Image
    notes : list of str
        What was done to bring the masks to the image's grid.
    """
    merged, notes = None, []
    for vertebra, path in masks.files.items():
        with naming(f"{patient_id}, mask '{masks.names[vertebra]}'", "mask"):
            codes, remarks = _read_one(path, vertebra, masks.labels, image)
        notes += [remark for remark in remarks if remark not in notes]
        # Where two regions overlap (by a voxel's rim), the first keeps the voxel.
        merged = codes if merged is None else merged + sitk.Mask(codes, merged == 0)
    return merged, notes


def read_bodies(masks: MaskFiles, image: sitk.Image, patient_id: str) -> sitk.Image | None:
    """Vertebral bodies (1, else 0) on the grid of ``image``; None when the study file names no such mask."""
    if masks.bodies is None:
        return None
    labels = next((own for tool, own in _BODY_LABELS.items() if tool in masks.bodies_name), (1,))
    with naming(f"{patient_id}, mask '{masks.bodies_name}'", "mask"):
        drawn = read_volume(masks.bodies)
        body = np.isin(sitk.GetArrayViewFromImage(drawn), labels).astype(np.uint8)
        if not body.any():
            raise StudyError(f"the file has no body (label {labels[0]}). Name the right file in 'bodies'.")
        bodies = sitk.GetImageFromArray(body)
        bodies.CopyInformation(drawn)
        return match_grid(bodies, image)[0]


def _read_one(
    path: Path, vertebra: str, labels: str | dict, image: sitk.Image
) -> tuple[sitk.Image, list[str]]:
    modality = _modality(path)
    if modality == "SEG":
        return match_grid(read_seg(path, labels), image, cropped=True)
    if modality == "RTSTRUCT":
        return read_rtstruct(path, labels, image), []
    if modality:
        raise StudyError(f"a DICOM file of the kind {modality} holds no mask. Name the SEG or RTSTRUCT.")
    drawn = read_volume(path)
    codes = whole_vertebra(drawn, vertebra) if vertebra and labels == "layers" else label_codes(drawn, labels)
    return match_grid(codes, image)


def _modality(path: Path) -> str:
    """Modality of a DICOM file; empty for other files."""
    try:
        return str(pydicom.dcmread(path, specific_tags=["Modality"], stop_before_pixels=True).Modality)
    except Exception:  # not DICOM, or damaged: the next reader says so
        return ""


def read_seg(path: Path, labels: str | dict) -> sitk.Image:
    """Codes of a DICOM SEG's segments, on the segmentation's own grid.

    ``labels`` names segments by their label or their number.
    """
    import highdicom  # 25 MB that a worker without such files does not need

    try:
        seg = highdicom.seg.segread(path)
        described = {number: seg.get_segment_description(number) for number in seg.segment_numbers}
        names = {number: {str(number), item.segment_label} for number, item in described.items()}
        chosen = _chosen(names, labels)
        volume = seg.get_volume(segment_numbers=list(chosen), combine_segments=True, skip_overlap_checks=True)
    except StudyError:
        raise
    except Exception:  # highdicom raises nearly anything at a damaged file
        raise StudyError(
            "the DICOM SEG cannot be read as a stack of slices. Export it again, or as NIfTI."
        ) from None
    codes = np.zeros(volume.array.shape, dtype=np.uint8)
    for number, code in chosen.items():
        codes[volume.array == number] = code
    return _from_affine(codes, volume.affine)


def _from_affine(array: np.ndarray, affine: np.ndarray) -> sitk.Image:
    """Volume of an array whose first axis is the first column of ``affine`` (to mm, LPS)."""
    volume = sitk.GetImageFromArray(array)
    columns = affine[:3, :3][:, ::-1]
    spacing = np.linalg.norm(columns, axis=0)
    volume.SetSpacing(spacing.tolist())
    volume.SetDirection((columns / spacing).ravel().tolist())
    volume.SetOrigin(affine[:3, 3].tolist())
    return volume


def _chosen(names: dict[int, set[str]], labels: str | dict) -> dict[int, int]:
    """Code of each numbered region that ``labels`` names by one of its names."""
    table = {str(label): code for label, code in code_table(labels).items()}
    chosen = {number: table[name] for number, own in names.items() for name in sorted(own) if name in table}
    if not chosen:
        present = ", ".join(sorted({name for own in names.values() for name in own if not name.isdigit()}))
        raise StudyError(
            f"none of the regions that 'labels' names is in the file. It has: {present or 'none'}."
        )
    return chosen


def read_rtstruct(path: Path, labels: str | dict, image: sitk.Image) -> sitk.Image:
    """Codes of an RTSTRUCT's contours on the grid of ``image``: voxels whose centre lies inside.

    ``labels`` names regions by their ROI name or number. Contours within others cut holes.
    """
    try:
        dataset = pydicom.dcmread(path)
        rois = {int(roi.ROINumber): str(roi.ROIName) for roi in dataset.StructureSetROISequence}
        contours = {int(roi.ReferencedROINumber): roi for roi in dataset.ROIContourSequence}
    except Exception:  # a damaged file can raise nearly anything
        raise StudyError("the RTSTRUCT cannot be read. Export it again.") from None
    drawn = {number: {str(number), rois[number].strip()} for number in contours if number in rois}
    chosen = _chosen(drawn, labels)
    for number in chosen:
        _check_contours(contours[number], image, rois[number].strip())
    regions = _rasterise(dataset, chosen, image)
    codes = np.zeros(image.GetSize()[::-1], dtype=np.uint8)
    for number, code in chosen.items():
        codes[regions[number] & (codes == 0)] = code
    volume = sitk.GetImageFromArray(codes)
    volume.CopyInformation(image)
    return volume


def _check_contours(roi: Dataset, image: sitk.Image, name: str) -> None:
    """Refuse contours that were not drawn on this image's slices: every one, each on its own slice."""
    slices = []
    for contour in roi.get("ContourSequence", []):
        points = np.reshape(np.array(contour.ContourData, dtype=float), (-1, 3))
        index = [image.TransformPhysicalPointToContinuousIndex(point)[2] for point in points.tolist()]
        slices.append(float(np.mean(index)))
        beside = max(abs(value - round(slices[-1])) for value in index)
        if beside > _CONTOUR_TOLERANCE:
            raise StudyError(
                f"{name}: contours lie up to {beside * image.GetSpacing()[2]:.1f} mm beside the image's "
                "slices. They were drawn on another series or in another plane: name that series' image, or "
                "draw them again."
            )
    used = sorted({round(value) for value in slices})
    if not used:
        raise StudyError(f"{name} has no contours. Draw the region, or leave it out of 'labels'.")
    if used[0] < 0 or used[-1] >= image.GetSize()[2]:
        raise StudyError(f"{name}: contours lie above or below the image. Name the image they were drawn on.")
    if len(used) < used[-1] - used[0] + 1:
        raise StudyError(
            f"{name}: {used[-1] - used[0] + 1 - len(used)} slice(s) between the contours have none. Draw or "
            "interpolate the contours on every slice."
        )


def _rasterise(dataset: Dataset, chosen: dict[int, int], image: sitk.Image) -> dict[int, np.ndarray]:
    """Fill contours with plastimatch, which matches contours by ROI number and handles holes."""
    program = shutil.which("plastimatch", path=sysconfig.get_path("scripts")) or shutil.which("plastimatch")
    if program is None:
        raise StudyError(
            "reading RTSTRUCT needs plastimatch. Install it (pip install plastimatch) and run "
            "again, or export the regions as a label map."
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _without_names(dataset, list(chosen)).save_as(folder / "in.dcm", enforce_file_format=True)
        grid = sitk.Image(image.GetSize(), sitk.sitkUInt8)
        grid.CopyInformation(image)
        sitk.WriteImage(grid, folder / "grid.nrrd", useCompression=True)
        options = ["--input", "in.dcm", "--fixed", "grid.nrrd", "--output-prefix", "out"]
        options += ["--prefix-format", "nrrd", "--xor-contours"]
        done = subprocess.run([program, "convert", *options], cwd=folder, capture_output=True, check=False)
        files = {number: folder / "out" / f"roi{number}.nrrd" for number in chosen}
        if done.returncode or not all(file.is_file() for file in files.values()):
            raise StudyError("plastimatch cannot fill the contours. Export the regions as a label map.")
        return {number: sitk.GetArrayFromImage(sitk.ReadImage(file)) > 0 for number, file in files.items()}


def _without_names(dataset: Dataset, chosen: list[int]) -> Dataset:
    """Structure set with the chosen regions only, named by their numbers, and nothing about the patient."""
    plain = Dataset()
    plain.file_meta = dataset.file_meta
    for tag in ("SOPClassUID", "SOPInstanceUID", "Modality", "ReferencedFrameOfReferenceSequence"):
        if tag in dataset:
            setattr(plain, tag, dataset[tag].value)
    plain.StudyInstanceUID = plain.SeriesInstanceUID = dataset.SOPInstanceUID
    plain.PatientName = plain.PatientID = ""
    plain.StructureSetLabel = "regions"
    plain.StructureSetROISequence = [r for r in dataset.StructureSetROISequence if r.ROINumber in chosen]
    plain.ROIContourSequence = [r for r in dataset.ROIContourSequence if r.ReferencedROINumber in chosen]
    for roi in plain.StructureSetROISequence:
        roi.ROIName = f"roi{roi.ROINumber}"
    return plain
