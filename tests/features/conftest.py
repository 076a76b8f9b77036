"""What tests of features share."""

import pytest
from small_hospital import small_hospital


@pytest.fixture(scope="session")
def hospital(tmp_path_factory):
    """A study of four patients in files, the last one with an empty mask."""
    return small_hospital(tmp_path_factory.mktemp("hospital"))
