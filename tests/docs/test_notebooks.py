"""The notebooks in ``examples/`` run from the first cell to the last."""

import pytest

from .blocks import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))


def test_there_are_notebooks_and_none_carries_results():
    import nbformat

    assert len(NOTEBOOKS) >= 3
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        assert not any(cell.get("outputs") for cell in cells), f"{path.name} carries results"


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path, tmp_path, shared_build, monkeypatch):
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    import nbformat

    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    notebook = nbformat.read(path, as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    results = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert results
    assert not any(output.output_type == "error" for output in results)
