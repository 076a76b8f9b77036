"""Protects what is said of a patient already when more is said."""

import pandas as pd

from helpers.features.remarks import append, joined


def test_empty_remarks_leave_no_semicolon():
    assert joined("", "thick slices", "", "metal") == "thick slices; metal"
    assert joined("", "") == ""


def test_only_chosen_rows_get_a_remark_behind_their_own():
    table = pd.DataFrame({"reason": ["", "metal", "fracture"]}, index=[5, 3, 4])
    texts = pd.Series({3: "moved", 4: "unread", 5: "thick"})[[5, 3, 4]]
    append(table, "reason", pd.Series([True, True, False], table.index), texts)
    assert table["reason"].to_dict() == {5: "thick", 3: "metal; moved", 4: "fracture"}
    append(table, "reason", pd.Series(False, table.index), texts)
    assert table["reason"].to_dict() == {5: "thick", 3: "metal; moved", 4: "fracture"}
