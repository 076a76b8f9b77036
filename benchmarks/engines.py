"""One feature engine as a server: a patient's number comes in as a line, seconds and features go out as JSON.

Started by extraction.py, each engine in a process of its own (and, for peers, with the Python of another
environment), so that memory can be told apart and nothing but the patients is timed. Nothing is cached.
"""

import json
import logging
import re
import resource
import sys
import time
from pathlib import Path


def hospital(folder, images="{patient_id}_ct.nii"):
    """The study of the patients whose files are in `folder`."""
    from helpers.study.study_file import Study

    site = {"name": "here", "role": "development", "table": {"path": "dxa.csv"}}
    site |= {"images": images, "masks": "{patient_id}_layers.nii"}
    return Study(
        name="files", title="Files", seed=1, extraction="settings.yml", sites=[site], file=folder / "s.yml"
    )


def radbook(folder, images="{patient_id}_ct.nii"):
    """This project: its image loader with all checks, preprocessing, features."""
    from helpers.features.blocks import preprocess, read_settings
    from helpers.features.extraction import extract
    from helpers.imaging.sources import FileImages
    from helpers.study.run_folder import Run

    study = hospital(folder, images)
    settings = read_settings(folder / study.extraction)

    def execute(patient):
        source = FileImages(Run(study, folder), study.sites[0], {patient: patient})
        return extract(preprocess(source.load(patient), settings), settings)

    return execute


def radbook_dicom(folder):
    """The same from a folder of DICOM slices."""
    return radbook(folder, "{patient_id}")


def radbook_gz(folder):
    """The same from a compressed file, whose checksum is verified."""
    return radbook(folder, "{patient_id}_ct.nii.gz")


def command_line(folder):
    """What a worker of the command `pyradiomics` does with a patient; additionalInfo is on by default."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor
    from radiomics.scripts.segment import extractSegment

    extractor = RadiomicsFeatureExtractor(str(folder / "settings.yml"), additionalInfo=True)

    def execute(patient):
        image, mask = _files(folder, patient)
        return extractSegment(1, {"Image": image, "Mask": mask}, extractor)

    return execute


def library(folder):
    """PyRadiomics, or a package that takes its place, called from Python with this project's settings."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor = RadiomicsFeatureExtractor(str(folder / "settings.yml"))
    return lambda patient: extractor.execute(*_files(folder, patient))


def flash(folder):
    """flash-radiomics on one core, as its handbook shows; it always writes an HDF5 file."""
    import yaml
    from flash_radiomics import RadiomicsFeatureExtractor

    content = yaml.safe_load((folder / "settings.yml").read_text(encoding="utf-8"))
    content["scalarFeatureClass"] = content.pop("featureClass")
    extractor = RadiomicsFeatureExtractor(content, backend="cpu", num_threads=1)

    def execute(patient):
        written = folder / f"{patient}_{time.monotonic_ns()}.h5"
        return extractor.execute(*_files(folder, patient), output_hdf5_path=str(written))

    return execute


def _files(folder, patient):
    return [str(folder / f"{patient}_{kind}.nii") for kind in ("ct", "mask")]


ENGINES = {kind.__name__: kind for kind in (radbook, radbook_gz, radbook_dicom, command_line, library, flash)}
IMAGES = ("original", "wavelet", "log-sigma", "square", "gradient", "exponential", "logarithm")


def peak_mb():
    """Largest resident memory of this process so far (MB)."""
    status = Path("/proc/self/status")
    if status.is_file():  # getrusage would count the process that started this one
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main():
    answers, sys.stdout = sys.stdout, sys.stderr  # some engines print
    logging.disable(logging.WARNING)
    execute = ENGINES[sys.argv[1]](Path(sys.argv[2]))
    for line in sys.stdin:
        started, core = time.perf_counter(), time.process_time()
        features = execute(line.strip())
        answer = {"seconds": time.perf_counter() - started, "core_seconds": time.process_time() - core}
        answer["peak_mb"] = peak_mb()
        answer["features"] = {k: float(v) for k, v in features.items() if k.startswith(IMAGES)}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
