"""What tests of the Chinese edition share."""

import pytest

from helpers.pages.chinese import words


@pytest.fixture
def known_words(monkeypatch):
    """A function that puts a test's table in the place of the table of words."""

    def known(table):
        monkeypatch.setattr(words, "_table", lambda: table)
        words._kept.cache_clear()

    yield known
    words._kept.cache_clear()
