"""The look of pictures (width, words, background), and the names of the folders they go to.

Every command that draws pictures takes the same options for their look.
"""

import ast
from pathlib import Path

import halfbyte
from halfbyte.cli.commands import COMMANDS
from halfbyte.cli.look import folder_of_run

ROOT = Path(halfbyte.__file__).parent
DRAWING = {"pareto", "curve", "evaluate", "explore", "profile", "rank", "releases"}


def functions(*rooms):
    """Every function in some subpackages, with its file."""
    for path in sorted(path for room in rooms for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.FunctionDef):
                yield path, node


def names_in(tree):
    """The names of variables and functions that occur in a syntax tree."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def drawing_functions():
    """Names of the functions that write pictures: ``write_...`` with a parameter ``look``."""
    drawing = {
        node.name: {arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)}
        for _, node in functions("pareto", "accuracy")
        if not node.name.startswith("_") and node.name.startswith("write_")
    }
    return {name for name, parameters in drawing.items() if "look" in parameters}


def test_every_command_hands_the_look_to_the_functions_that_draw():
    drawing, drawn = drawing_functions(), set()
    for path, function in functions("cli"):
        for call in ast.walk(function):
            if isinstance(call, ast.Call) and (named := names_in(call.func) & drawing):
                given = [*call.args, *(each.value for each in call.keywords)]
                assert "look" in set().union(*map(names_in, given)), f"{named} in {path.name}"
                drawn |= named
    assert drawn == drawing
    assert len(drawn) >= 7


def test_every_command_that_draws_has_the_options_of_the_look():
    for name, entry in COMMANDS.items():
        command = entry.load(name)
        options = {each.name for each in getattr(command, "params", [])}
        taken = {"width", "annotate", "transparent"} & options
        assert len(taken) == (3 if name in DRAWING else 0), name


def test_a_folder_s_name_has_model_recipe_technology_and_the_given_options(monkeypatch):
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
