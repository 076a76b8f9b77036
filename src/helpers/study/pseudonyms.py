"""Pseudonyms: the only place that touches raw patient numbers.

Every table, log, figure and page carries pseudonyms. The key that makes them and the list that undoes
them stay in the run's private folder.
"""

from __future__ import annotations

import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable

import pandas as pd

from helpers.study.places import replacing
from helpers.study.run_folder import Run

_KEY = "pseudonym.key"


def pseudonyms(run: Run, site: str, raw_ids: list[str]) -> list[str]:
    """Pseudonyms of a site's patients by keyed hash (HMAC-SHA-256), remembered in private/identifiers.csv.

    The same patient of the same site gets the same pseudonym in every run of this run folder.
    """
    key = _key(run)
    made = [f"P{hmac.new(key, f'{site}/{raw}'.encode(), 'sha256').hexdigest()[:10]}" for raw in raw_ids]
    known = identifiers(run)
    added = pd.DataFrame({"patient_id": made, "site": site, "raw_id": list(map(str, raw_ids))})
    with replacing(run.private / "identifiers.csv") as path:
        pd.concat([known, added]).drop_duplicates("patient_id").to_csv(path, index=False)
    return made


def take_over(run: Run, other: Run) -> None:
    """Let ``other`` give the same pseudonyms as ``run``, unless it has given some already."""
    mine, theirs = (one.private / _KEY for one in (run, other))
    if mine.is_file() and not theirs.is_file():
        with replacing(theirs) as temporary:
            temporary.touch(mode=0o600)
            temporary.write_bytes(mine.read_bytes())


def raw_ids(run: Run) -> dict[str, str]:
    """Raw identifier of every pseudonym: for finding files, never for showing."""
    return identifiers(run).set_index("patient_id")["raw_id"].to_dict()


def same_number(number: str) -> str:
    """A patient number without what changes on the way: capitals, full width, spaces, leading zeros."""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", number)).casefold()
    return plain.lstrip("0") or plain


def secret_numbers(run: Run, numbers: Iterable[str]) -> list[str]:
    """Keyed hashes of patient numbers, to compare numbers that nobody may see; equal for `same_number`."""
    key = _key(run)
    return [
        hmac.new(key, f"number {same_number(one)}".encode(), "sha256").hexdigest()[:16] for one in numbers
    ]


def single_patients(run: Run, rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of single patients as a page may show them: virtual ones as they are, of real ones the number."""
    return rows if run.study.is_virtual else pd.DataFrame({"rows kept in private/": [len(rows)]})


def identifiers(run: Run) -> pd.DataFrame:
    """The list of pseudonyms and raw numbers: columns patient_id, site, raw_id (all text)."""
    path = run.private / "identifiers.csv"
    if not path.is_file():
        return pd.DataFrame(columns=["patient_id", "site", "raw_id"], dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def _key(run: Run) -> bytes:
    path = run.private / _KEY
    if not path.is_file():
        with replacing(path) as temporary:  # a half-written key would make other pseudonyms
            temporary.touch(mode=0o600)
            temporary.write_text(secrets.token_hex(32), encoding="ascii")
    return bytes.fromhex(path.read_text(encoding="ascii"))
