"""A file is written whole or not at all."""

import pandas as pd
import pytest


def test_a_failed_write_leaves_the_old_file(run):
    run.write_table("table_1", pd.DataFrame({"n": [1]}))
    with pytest.raises(AttributeError):
        run.write_table("table_1", "not a table")
    assert run.table_path("table_1").read_text(encoding="utf-8").endswith("virtual,1\n")
    assert not list(run.table_path("table_1").parent.glob(".*"))
