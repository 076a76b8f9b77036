"""The landing page's door to the real patients (chapter 15), where the run has met them."""

from __future__ import annotations

from helpers.pages.rendering import rendered
from helpers.study.places import STEPS
from helpers.study.run_folder import Run


def staged_files(run: Run) -> dict[str, bytes]:
    """The part that the landing page includes; empty without chapter 15."""
    return {"real_patients.md": rendered("real_patients.md", met=has_real_patients(run)).encode()}


def has_real_patients(run: Run) -> bool:
    """Whether the book has a chapter about real patients beside virtual ones."""
    return run.study.is_virtual and (run.notebooks / f"{STEPS['15']}.ipynb").is_file()
