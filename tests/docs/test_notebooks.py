"""The notebooks in ``examples/`` run from the first cell to the last."""

import pytest

from .blocks import ROOT

# Runs before a notebook's own cells: models read one text of each module, as for the pages.
FEWER_TEXTS = "from halfbyte.accuracy import texts\ntexts.PER_MODULE = 1"
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
    notebook.cells.insert(0, nbformat.v4.new_code_cell(FEWER_TEXTS))
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    results = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert results
    assert not any(output.output_type == "error" for output in results)
