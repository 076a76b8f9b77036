"""An empty run folder, for what is written into it and read from it."""

import pytest

from helpers.study.places import REPOSITORY
from helpers.study.run_folder import open_run


@pytest.fixture
def run(tmp_path):
    """A new run of the quick study."""
    return open_run(REPOSITORY / "data" / "studies" / "quick.yml", tmp_path / "run")
