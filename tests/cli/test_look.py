"""Folders of runs name what makes them differ."""

from pathlib import Path

from halfbyte.cli.look import folder_of_run


def test_a_folder_names_model_recipe_technology_and_what_was_given(monkeypatch):
    monkeypatch.delenv("HALFBYTE_BUILD", raising=False)
    plain = folder_of_run("pareto", "minilm", "w4", "sky130hd", formats=None, terms=None, text="")
    assert plain == Path("build/pareto/minilm-w4-sky130hd")
    given = folder_of_run(
        "pareto", "models/a b", "w4", "asap7", formats=["int4", "x/mine.yaml"], terms=64, low=True
    )
    assert given == Path("build/pareto/a_b-w4-asap7-int4_mine-terms_64-low")


def test_long_names_are_cut_and_still_differ():
    one, other = (
        folder_of_run("pareto", formats=[f"format_{index}" for index in range(count)])
        for count in (30, 31)
    )
    assert one != other
    assert max(len(each.name) for each in (one, other)) < 100
