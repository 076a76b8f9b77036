"""Where a patient's files lie: path patterns of the study file, filled in for one patient."""

from __future__ import annotations

import csv
import io
import re
from functools import lru_cache
from pathlib import Path

from helpers.errors import StudyError
from helpers.study.pseudonyms import same_number
from helpers.study.sites import Site
from helpers.study.study_file import Study

_ENCODINGS = ("utf-8-sig", "gb18030")  # a table of paths that somebody has saved again in Excel


def filled(study: Study, site: Site, pattern: str, raw: str) -> str:
    """A pattern with the patient's number, and what the site's table of files says, in place of the braces.

    Braces for which the table has no row of this patient, or an empty cell, stay: such a path is not there.

    Raises
    ------
    StudyError
        When the table of files is not there, or not a table.
    """
    own = _row(study, site, raw) if site.files else {}
    values = {"patient_id": raw} | {name: value for name, value in own.items() if value}
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1], found[0]), pattern)


def patient_path(study: Study, site: Site, pattern: str, raw: str) -> Path:
    """Where the file or folder lies that a pattern names for one patient."""
    return study.path(filled(study, site, pattern, raw))


def _row(study: Study, site: Site, raw: str) -> dict[str, str]:
    path = study.path(site.files)
    if not path.is_file():
        raise StudyError(
            f"Site '{site.name}': there is no table of files '{site.files}'. Correct 'files' in the study "
            "file, or have radbook init write it again.",
            "setting",
        )
    rows = _rows(path, path.stat().st_mtime_ns)
    if rows is None:
        raise StudyError(
            f"Site '{site.name}': the table of files '{site.files}' has no column 'patient_id', or two rows "
            "of one patient. Have radbook init write it again.",
            "setting",
        )
    if raw in rows:
        return rows[raw]
    alike = [row for number, row in rows.items() if same_number(number) == same_number(raw)]
    return alike[0] if len(alike) == 1 else {}


@lru_cache(maxsize=8)
def _rows(path: Path, changed: int) -> dict[str, dict[str, str]] | None:
    content = path.read_bytes()
    for encoding in _ENCODINGS:
        try:
            text = content.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    else:
        return None
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    rows = [*csv.DictReader(io.StringIO(text), delimiter=delimiter, restval="")]
    by_number = {row.get("patient_id"): row for row in rows}
    return by_number if None not in by_number and len(by_number) == len(rows) else None
