"""Models that read few texts: enough to see that what is shown works."""

import pytest

from halfbyte.accuracy import texts


@pytest.fixture
def fewer_texts(monkeypatch):
    """Models read one text of each module."""
    monkeypatch.setattr(texts, "PER_MODULE", 1)
    texts.docstrings.cache_clear()
    yield
    texts.docstrings.cache_clear()
