"""The public data on which ranking, LASSO and selection are tested."""

import pytest
from reference_values import data


@pytest.fixture(scope="session")
def sonar():
    table = data("sonar")
    return table.drop(columns="y"), table["y"].to_numpy()
