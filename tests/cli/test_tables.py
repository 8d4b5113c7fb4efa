"""Tables fit the terminal without cutting text.

If there is too little space, columns marked with ``~`` are left out, starting from the right.
"""

from dataclasses import replace

import pytest

from halfbyte.area.search.array_records import ArrayRecord
from halfbyte.checkpoints.dfloat11.entropy import TensorEntropy
from halfbyte.cli import entropy, output
from halfbyte.cli.array import show_arrays
from tests.factory import sample

COLUMNS = ["format", "~recipe", ">area um2", ">delay ps", "~>cells", "proof"]
ROWS = [["a_format_of_a_user", "swift_kogge_stone", "1,103.6", "8,923", "412", "proved"]]


@pytest.fixture
def printed(monkeypatch, capsys):
    """``printed(width)``: the table as printed on a terminal of this width."""

    def of(width, *, wide=False):
        monkeypatch.setenv("COLUMNS", str(width))
        output.show_all_columns(wide)
        try:
            output.table("Title", COLUMNS, ROWS, "caption")
        finally:
            output.show_all_columns(False)
        return capsys.readouterr().out

    return of


def test_all_columns_are_shown_if_they_fit(printed):
    text = printed(100)
    assert all(cell in text for cell in ROWS[0])
    assert "--wide" not in text


def test_the_last_marked_column_is_left_out_first(printed):
    text = printed(75)
    assert "412" not in text
    assert "swift" in text
    assert "1 more column with --wide" in text


@pytest.mark.parametrize("width", [60, 48, 40])
def test_no_text_is_cut(printed, width):
    text = printed(width)
    assert "…" not in text
    assert "a_format_of_a_user" in text
    assert "proved" in text
    assert max(map(len, text.splitlines())) <= width


def test_wide_shows_all(printed):
    assert all(cell in printed(40, wide=True) for cell in ROWS[0])


def test_paths_are_neither_broken_nor_read_as_markup(monkeypatch, capsys):
    path = f"build/{'long-' * 20}[b]/plot.png"
    monkeypatch.setenv("COLUMNS", "40")
    output.say(f"wrote the plots of this run and their data in {path}")
    output.table("Title", COLUMNS, ROWS, f"also in {path}")
    assert capsys.readouterr().out.splitlines().count(path) == 2


def test_names_of_tensors_with_brackets_are_shown_as_they_are(capsys):
    entropy._show_tensors("model", [sample(TensorEntropy, tensor="layer[a].weight")])
    assert "layer[a].weight" in capsys.readouterr().out


def test_arrays_show_energy_with_glitches_and_what_is_missing(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    record = replace(sample(ArrayRecord), energy_fj=111.1, glitch_energy_fj=222.2)
    show_arrays([record, replace(record, glitch_energy_fj=None, not_measured="no tables")])
    shown = capsys.readouterr().out
    assert ("222.2" in shown, "111.1" in shown) == (True, False)
    assert "with glitches inside the units" in " ".join(shown.split())
    assert shown.rstrip().endswith("not measured: no tables")
