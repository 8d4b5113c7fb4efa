"""The notebooks in ``examples/`` run from the first cell to the last."""

import sys

import pytest

from .blocks import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def read(path):
    """The cells of a notebook."""
    import nbformat

    return nbformat.read(path, as_version=4).cells


def test_notebooks_are_committed_without_results():
    assert len(NOTEBOOKS) >= 3
    for path in NOTEBOOKS:
        assert not any(cell.get("outputs") for cell in read(path)), f"{path.name} contains results"


@pytest.fixture
def shell(monkeypatch):
    """IPython as in a notebook, but in this process, which saves the time of imports."""
    # IPython changes ``__main__`` and ``sys.path``. monkeypatch restores them.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    interactive = pytest.importorskip("IPython.core.interactiveshell", reason="needs IPython")
    config = pytest.importorskip("traitlets.config").Config()
    config.HistoryManager.enabled = False
    yield interactive.InteractiveShell.instance(config=config)
    interactive.InteractiveShell.clear_instance()


@pytest.mark.slow
@pytest.mark.usefixtures("fewer_texts")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, tmp_path, shared_build, shell, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    monkeypatch.chdir(tmp_path)
    results = []
    for cell in read(path):
        if cell.cell_type == "code":
            done = shell.run_cell(cell.source)
            done.raise_error()
            results.append(done.result)
    assert any(result is not None for result in results)
