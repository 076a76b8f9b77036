"""Checks of one quantity in several places, of numbers of features, and of what no arithmetic can tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from helpers.paper.printed import CONSISTENT, INCONSISTENT, ROUNDING, Entry, Printed, compare, recompute
from helpers.paper.publication import UNDECIDED, VERDICTS, Check, Publication, in_words, judged


def check_repeated(paper: Publication) -> Iterator[Check]:
    """A quantity that is printed in several places has one value, and one interval."""
    groups = defaultdict(list)
    for entry in paper.reported:
        if entry.value is not None:
            models = [paper.design.same.get(name, name) for name in entry.subject.split(" vs ")]
            groups[entry.cohort, *models, entry.metric].append(entry)
    for entries in groups.values():
        if len(entries) > 1:
            yield _repeated_row(paper, entries)


def _repeated_row(paper: Publication, entries: list[Entry]) -> Check:
    """All places held against the one that prints it most exactly, a table if there is one."""
    main, *others = sorted(entries, key=lambda e: (not e.in_table, e.value.high - e.value.low))
    verdicts = [_same_value(main, other) for other in others]
    apart = [entry for entry, found in zip(others, verdicts, strict=True) if found == INCONSISTENT]
    if apart:
        places = "; ".join(f"{e.item}: {e.text}{_interval_elsewhere(paper, main, e)}" for e in apart)
        sentence = f"{main.item} prints {main.text}; {places}."
    else:
        ending = " but for the last digit" if ROUNDING in verdicts else ""
        sentence = f"Printed alike{ending} in {', '.join(dict.fromkeys(entry.item for entry in entries))}."
    text = "; ".join(dict.fromkeys(entry.text for entry in (main, *others)))
    where = f"{main.cohort}, {main.subject}, {in_words(main.metric)}"
    return Check("one value in every place", where, text, "", max(verdicts, key=VERDICTS.index), sentence)


def _interval_elsewhere(paper: Publication, main: Entry, other: Entry) -> str:
    """Whether the deviating interval is that of another cohort."""
    rows = paper.reported.select(item=main.item, subject=main.subject, metric=main.metric)
    twins = [row for row in rows if row.cohort != main.cohort and row.interval and row[5:] == other[5:]]
    return f", with the interval of {twins[0].cohort}" if twins else ""


def _same_value(main: Entry, other: Entry) -> str:
    pairs = zip(main[4:], other[4:], strict=True)
    return max((_same_number(a, b) for a, b in pairs if a and b), key=VERDICTS.index)


def _same_number(first: Printed, second: Printed) -> str:
    """Whether two printed numbers are one: 0.80 and 0.803 are, 0.84 and 0.85 but for the last digit."""
    if first.is_limit and second.is_limit:
        return CONSISTENT if first.text[0] == second.text[0] else INCONSISTENT
    if first.is_limit or second.is_limit:
        return compare(second, first.low, first.high)
    gap, unit = abs(first.number - second.number), max(first.unit, second.unit)
    if gap <= unit / 2 + 1e-9:
        return CONSISTENT
    return ROUNDING if gap < 1.5 * unit else INCONSISTENT


def check_lambda(paper: Publication) -> Iterator[Check]:
    """The logarithm of lambda is that of the printed lambda."""
    for entry in paper.reported.select(metric="ln_lambda"):
        if value := paper.reported.get(*entry[:3], "lambda"):
            yield judged("logarithm of lambda", entry, recompute(np.log, value), f"lambda = {value.text}")


def check_features(paper: Publication) -> Iterator[Check]:
    """The number of features is shape + a whole number of images; no step of the selection adds any."""
    rule, steps = paper.design.features, paper.reported.select(subject="features")
    if rule is None:
        return
    for entry in steps:
        if entry.metric == rule.extracted:
            images = (entry.value.number - rule.shape) / rule.per_image
            whole = images >= 1 and images == int(images)
            formula = f"{rule.shape} + {rule.per_image} x {images:g}"
            ending = "a whole number of images" if whole else "which is no whole number of images"
            sentence = f"{entry.value.text} = {formula}, {ending}."
            verdict = CONSISTENT if whole else INCONSISTENT
            yield Check("number of features", entry.where, entry.value.text, formula, verdict, sentence)
    for item in dict.fromkeys(step.item for step in steps):
        counts = [step.value.number for step in steps if step.item == item]
        if len(counts) > 1:
            verdict = CONSISTENT if counts == sorted(counts, reverse=True) else INCONSISTENT
            text = ", ".join(f"{count:.0f}" for count in counts)
            sentence = f"{'No' if verdict == CONSISTENT else 'A'} step of the selection adds features."
            yield Check("number of features", f"{item}: selection", text, "", verdict, sentence)


def check_events(paper: Publication) -> Iterator[Check]:
    """Patients with the disease for each feature: said, not judged."""
    if paper.design.features is None or paper.design.clinical is None:
        return
    cohort = paper.design.clinical.fitted_on
    events = paper.count(cohort, "n", paper.design.cases)
    for metric in (paper.design.features.extracted, paper.design.features.selected):
        rows = paper.reported.select(cohort=cohort, subject="features", metric=metric)
        if events is not None and rows:
            ratio = events / rows[0].value.number
            text = f"{events:.0f} patients, {rows[0].value.text} features"
            sentence = (
                f"{ratio:.2g} patients with the disease for each feature {metric}: the printed numbers do "
                "not tell whether another sample would give the same features."
            )
            yield Check("events a feature", rows[0].where, text, f"{ratio:.2f}", UNDECIDED, sentence)


def check_choice(paper: Publication) -> Iterator[Check]:
    """The rank of the chosen model's AUC in each cohort: said, not judged."""
    rows = paper.reported.select(metric="auc", subject=paper.design.chosen) if paper.design.chosen else []
    for item in dict.fromkeys(entry.item for entry in rows if entry.in_table):
        ranks = {}
        for entry in rows:
            if entry.item == item:
                rivals = paper.reported.select(item=item, cohort=entry.cohort, metric="auc")
                ranks[entry.cohort] = 1 + sum(rival.value.number > entry.value.number for rival in rivals)
        found = ", ".join(f"{cohort} rank {rank}" for cohort, rank in ranks.items())
        sentence = (
            f"{paper.design.chosen} by AUC: {found}. How well a model does on new patients cannot be told "
            "from the sets on which it was chosen."
        )
        where = f"{item}: {paper.design.chosen}"
        yield Check("choice of the model", where, "chosen", found, UNDECIDED, sentence)
