"""Numbers of new patients as they may be told: in the flow chart, beside tables, and in what is shared.

The patients on whom a model is judged lie within those who were scored, these within all who were measured,
and these within all who were screened. Several tables tell some of these numbers, so each is told only where
the patients between it and the next one are nobody or at least ``min_cell``; those between stand together
until they are that many.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from helpers.frozen.verdicts import EXCLUDED, OUTSIDE, REFUSED, SCORED, WARNED, Met, warned_in_words
from helpers.patients.flow_chart import OTHER_REASONS
from helpers.study.small_counts import HIDDEN, shown_count

UNKNOWN = "scored, outcome not known"
# From the judged patients outwards.
_LEFT_OUT = (UNKNOWN, OUTSIDE, REFUSED, EXCLUDED)


@dataclass(frozen=True)
class Told:
    """What may be told of how far the new patients got.

    Attributes
    ----------
    stages : DataFrame
        stage and category of everybody screened.
    groups : list of tuple of str
        The stages of those who are not judged, in order, together where they are few.
    min_cell : int
    """

    stages: pd.DataFrame
    groups: list[tuple[str, ...]]
    min_cell: int

    def number(self, *names: str) -> int:
        """How many patients are in these stages, told or not."""
        return int(self.stages["stage"].isin(names).sum())

    def count(self, stage: str) -> str:
        """A stage's number of patients for a sentence."""
        count = self.number(stage)
        alone = self._is_apart() if stage in (WARNED, SCORED) else (stage,) in self.groups
        return shown_count(count, self.min_cell) if count < self.min_cell or alone else HIDDEN

    def _is_apart(self) -> bool:
        """Whether warned and other judged patients may be counted apart."""
        return not any(0 < self.number(name) < self.min_cell for name in (WARNED, SCORED))

    def total(self, outermost: str) -> str:
        """How many there are from those judged out to a stage; "hidden" where that would tell few."""
        within = _LEFT_OUT[: _LEFT_OUT.index(outermost) + 1]
        divided = any(set(group) - set(within) and set(group) & set(within) for group in self.groups)
        small = len(self.groups) == 1 and 0 < self.number(*self.groups[0]) < self.min_cell
        if divided or (small and self.number(*within)):
            return HIDDEN
        return f"{self.number(WARNED, SCORED, *within)}"

    def arrivals(self) -> str:
        """Whose numbers stand in a table of everybody measured: how many were warned of or lie outside."""
        total = self.total(OUTSIDE)
        whose = "everybody measured" if total == HIDDEN else total
        return f"of {whose}: {self.count(WARNED)} {WARNED}, {self.count(OUTSIDE)} {OUTSIDE}"

    def warned(self) -> str:
        """How many of the judged patients carry a warning."""
        flags = self.stages.loc[self.stages["stage"].isin([WARNED, SCORED]), "stage"] == WARNED
        return warned_in_words(flags, self.min_cell)

    def within_domain(self, table: pd.DataFrame) -> pd.DataFrame:
        """`helpers.frozen.verdicts.within_domain` with what may be told of the new hospital, its last row."""
        shown = table.astype({"n": object, "within": object, "outside": object})
        marks = self.total(OUTSIDE), self.total(UNKNOWN), self.count(OUTSIDE)
        whole = [int(mark) if mark.isdigit() else mark for mark in marks]
        shown.loc[shown.index[-1], ["n", "within", "outside"]] = whole
        return shown

    def flow(self) -> pd.DataFrame:
        """How many patients came and how far they got.

        Returns
        -------
        DataFrame
            stage ("all" are those screened, which the other rows add up to), reason, patients (numbers, or
            marks of what is not told).
        """
        total = self.total(EXCLUDED)
        rows = [("all", "", total if total == HIDDEN else int(total))]
        for group in self.groups[::-1]:
            rows += self._rows(group)
        apart = [(WARNED,), (SCORED,)] if self._is_apart() else [(WARNED, SCORED)]
        rows += [(names[-1], "", count) for names in apart if (count := self.number(*names))]
        return pd.DataFrame(rows, columns=["stage", "reason", "patients"])

    def _rows(self, group: tuple[str, ...]) -> list[tuple[str, str, int | str]]:
        count, title = self.number(*group), " or ".join(group[::-1])
        if not count:
            return []
        if len(group) > 1 or group == (UNKNOWN,) or count < self.min_cell:
            return [(title, "", f"<{self.min_cell}" if count < self.min_cell else count)]
        counts = self.stages.loc[self.stages["stage"] == title, "category"].value_counts()
        while 0 < (rare := counts[counts < self.min_cell].sum()) and len(counts) > 1:
            small = counts.index[counts < self.min_cell]
            small = small if rare >= self.min_cell else counts.index[-len(small) - 1 :]
            counts = pd.concat([counts.drop(small), pd.Series({OTHER_REASONS: counts[small].sum()})])
        return [(title, reason, int(number)) for reason, number in counts.items()]


def tell(met: Met, min_cell: int, outcomes: pd.DataFrame | None = None) -> Told:
    """Put the new patients' stages together until they may be told.

    Parameters
    ----------
    met : Met
    min_cell : int
    outcomes : DataFrame, optional
        patient_id and outcome; where it is known of some, those scored without it are a stage of their own.
    """
    stages = met.table.set_index("patient_id")[["status", "category"]].rename(columns={"status": "stage"})
    scored = stages["stage"].isin([SCORED, WARNED])
    if outcomes is not None and "outcome" in outcomes:
        unknown = scored & ~stages.index.isin(outcomes.loc[outcomes["outcome"].notna(), "patient_id"])
        if unknown.sum() < scored.sum():
            stages.loc[unknown, "stage"] = UNKNOWN
    groups, open_group, size = [], [], 0
    for stage in _LEFT_OUT:
        open_group.append(stage)
        size += int((stages["stage"] == stage).sum())
        if size == 0 or size >= min_cell:
            groups.append(tuple(open_group))
            open_group, size = [], 0
    if open_group:  # the outermost are few: they stand with those before
        peopled = [at for at, group in enumerate(groups) if stages["stage"].isin(group).any()]
        last = peopled[-1] if peopled else 0
        groups[last:] = [(*(name for group in groups[last:] for name in group), *open_group)]
    return Told(stages, groups, min_cell)
