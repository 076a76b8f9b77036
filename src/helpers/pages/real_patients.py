"""The landing pages' door to the real patients (chapter 15), where the run has met them."""

from __future__ import annotations

from helpers.pages.rendering import rendered
from helpers.study.places import STEPS
from helpers.study.run_folder import Run


def staged_files(run: Run) -> dict[str, bytes]:
    """The parts that the landing pages include, English and Chinese; empty without chapter 15."""
    met = has_real_patients(run)
    parts = {"real_patients.md": "real_patients.md", "zh/real_patients.md": "real_patients_zh.md"}
    return {name: rendered(template, met=met).encode() for name, template in parts.items()}


def has_real_patients(run: Run) -> bool:
    """Whether the book has a chapter about real patients beside virtual ones."""
    return run.study.is_virtual and (run.notebooks / f"{STEPS['15']}.ipynb").is_file()
