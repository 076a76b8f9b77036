"""CT series as files for tests, written without SimpleITK."""

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid


def dicom_slices(image, **tags):
    """Headers with pixels of every slice of ``image`` (HU), the top slice first; ``tags`` are set on all."""
    series = {"SeriesInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", **tags}
    return [dicom_slice(image, number, **series) for number in reversed(range(image.GetSize()[2]))]


def dicom_slice(image, number, **tags):
    """One slice of ``image`` as unsigned 16-bit CT with rescale intercept -1024."""
    header = pydicom.Dataset()
    header.file_meta = pydicom.dataset.FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, generate_uid()
    header.Modality, header.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    header.InstanceNumber = number
    position = image.TransformIndexToPhysicalPoint((0, 0, number))
    header.ImagePositionPatient = [f"{value:.6f}" for value in position]
    direction = np.array(image.GetDirection()).reshape(3, 3)
    header.ImageOrientationPatient = [f"{v:.6f}" for v in (*direction[:, 0], *direction[:, 1])]
    header.PixelSpacing = [f"{image.GetSpacing()[1]}", f"{image.GetSpacing()[0]}"]
    header.SliceThickness = f"{image.GetSpacing()[2]}"
    header.Columns, header.Rows = image.GetSize()[:2]
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 16
    header.HighBit, header.PixelRepresentation = 15, 0
    header.RescaleSlope, header.RescaleIntercept = "1", "-1024"
    header.Manufacturer, header.ManufacturerModelName = "SIEMENS", "SOMATOM Force"
    header.KVP, header.ConvolutionKernel, header.XRayTubeCurrent = "120", ["Br40d", "3"], "210"
    hu = sitk.GetArrayViewFromImage(image)[number]
    header.PixelData = (hu.astype(np.int32) + 1024).astype(np.uint16).tobytes()
    for tag, value in tags.items():
        setattr(header, tag, value)
    return header


def write_slices(folder, slices, names=None):
    """Write headers into ``folder`` under ``names`` (IM0001 and so on by default, without suffix)."""
    folder.mkdir(exist_ok=True, parents=True)
    for number, header in enumerate(slices):
        path = folder / (names[number] if names else f"IM{number:04d}_{header.get('SeriesInstanceUID')}")
        path.parent.mkdir(exist_ok=True, parents=True)
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
        header.save_as(path, enforce_file_format=True)
    return folder
