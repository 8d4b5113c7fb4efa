"""A fixture that shortens evaluations, for tests that only check that an example runs."""

import pytest

from halfbyte.accuracy import texts


@pytest.fixture
def fewer_texts(monkeypatch):
    """Evaluate models on only one docstring of each Python module."""
    monkeypatch.setattr(texts, "PER_MODULE", 1)
    texts.docstrings.cache_clear()
    yield
    texts.docstrings.cache_clear()
