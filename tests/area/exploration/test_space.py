"""A space is a YAML file that defines many designs. Wrong files are refused.

A trial is one design of a space, stored under its key. A recipe is a way to synthesize.
"""

from fractions import Fraction
from itertools import combinations
from math import gcd

import pytest

from halfbyte.area import SynthesisRecord
from halfbyte.area.exploration import load_space, parse_space, space_names
from halfbyte.area.exploration.families import SupernormalGrid, ValueSets
from halfbyte.base import UserError
from halfbyte.formats import Ties, load
from halfbyte.rtl import applicable_architectures
from tests.factory import sample

MINIMAL = "name: mine\nformats: [int4]\n"


def test_a_minimal_space_takes_every_architecture_and_the_quick_recipe():
    space = parse_space(MINIMAL)
    trials = list(space.trials())
    int4 = load("int4")
    assert [trial.design.architecture for trial in trials] == applicable_architectures(int4, int4)
    assert {trial.recipe.name for trial in trials} == {"resub"}
    assert {trial.technology.name for trial in trials} == {"sky130hd"}
    assert {(trial.design.weight, trial.design.activation) for trial in trials} == {(int4, int4)}


def test_designs_are_the_product_of_the_axes():
    space = parse_space(
        "name: mine\n"
        "formats: [e2m1, e2m1_sp]\n"
        "activations: [same, int8]\n"
        "architectures: [sign_magnitude, twos_complement]\n"
        "recipes: [resub, brief]\n"
        "terms: [128, 256, 1024]\n"
        "clocks: [none]\n"
        "technologies: [sky130hd, asap7]\n"
    )
    trials = list(space.trials())
    assert len(trials) == 2 * 2 * 2 * 2 * 3 * 2
    assert len({trial.key() for trial in trials}) == len(trials)
    assert {trial.design.activation.name for trial in trials} == {"e2m1", "e2m1_sp", "int8"}


def test_only_recipes_for_clocks_are_combined_with_clocks():
    text = f"{MINIMAL}architectures: [sign_magnitude]\nclocks: [none, 2ns, 1GHz]\n"
    space = parse_space(f"{text}recipes: [resub, swift_kogge_stone]\n")
    found = [(trial.recipe.name, trial.clock_ps) for trial in space.trials()]
    assert found == [
        ("resub", None), ("swift_kogge_stone", 2000.0), ("swift_kogge_stone", 1000.0),
    ]  # fmt: skip
    assert len({trial.key() for trial in space.trials()}) == 3
    assert all(trial.operands for trial in space.trials())  # a clock needs measured delays
    every = parse_space(f"{text}recipes: all\n")
    assert {trial.clock_ps is not None for trial in every.trials()} == {True, False}
    plain = parse_space(f"{MINIMAL}recipes: all\n")
    assert not any(recipe.clocked for recipe in plain.recipes)


def test_measured_designs_have_different_keys():
    plain = next(parse_space(MINIMAL).trials())
    measured = next(parse_space(f"{MINIMAL}measure: true\n").trials())
    assert plain.operands is None
    assert measured.operands is not None
    assert plain.key() != measured.key()


def test_architectures_are_left_out_for_formats_that_they_cannot_multiply():
    space = parse_space(
        "name: mine\nformats: [int4, e2m1]\narchitectures: [exponent_shift, sign_magnitude]\n"
    )
    found = [(trial.design.weight.name, trial.design.architecture) for trial in space.trials()]
    assert found == [
        ("int4", "sign_magnitude"), ("e2m1", "exponent_shift"), ("e2m1", "sign_magnitude"),
    ]  # fmt: skip


def test_keys_depend_on_values_and_not_on_names(tmp_path):
    (tmp_path / "same.yaml").write_text(
        "name: other_name\nvalues: [0, 0.5, 1, 1.5, 2, 3, 4, 6, 5, -0.5, -1, -1.5, -2, -3, -4, -6]"
    )
    text = "name: mine\nformats: [same.yaml, e2m1_sp]\n"
    first, second = (
        [
            trial
            for trial in parse_space(text, tmp_path).trials()
            if trial.design.weight.name == name
        ]
        for name in ("other_name", "e2m1_sp")
    )
    assert [trial.key() for trial in first] == [trial.key() for trial in second]
    record = sample(SynthesisRecord, format="e2m1_sp", activation="e2m1_sp", technology="")
    named = first[0].named(record)
    assert (named.format, named.activation) == ("other_name", "other_name")
    assert named.technology == "sky130hd"
    # Trials that also measure the multiplier have different keys.
    more = list(parse_space(f"{text}multipliers: true\n", tmp_path).trials())
    assert not {trial.key() for trial in more} & {trial.key() for trial in first}


def test_supernormal_grid_has_every_new_value_on_the_grid():
    """A supernormal is a value that takes the code of negative zero."""
    grid = SupernormalGrid(load("e2m1"), Fraction(-1), Fraction(8), Fraction(1, 4))
    formats = list(grid.formats())
    expected = {Fraction(step, 4) for step in range(-4, 33)} - set(load("e2m1").values)
    assert sorted(fmt.values[8] for fmt in formats) == sorted(expected)
    order = [(-fmt.quantum, fmt.values[8]) for fmt in formats]
    assert order == sorted(order)  # formats with a coarse quantum first
    assert all(fmt.ties is Ties.DOWN for fmt in formats)
    by_name = {fmt.name: fmt for fmt in formats}
    assert len(by_name) == len(formats)
    assert by_name["e2m1_p5"].values == load("e2m1_sp").values
    assert by_name["e2m1_p8"].values == load("e2m1_sr").values
    assert by_name["e2m1_m3_4"].values[8] == Fraction(-3, 4)
    assert by_name["e2m1_p21_4"].quantum == Fraction(1, 4)  # finer than E2M1's own


def test_value_sets_are_all_sets_without_a_common_divisor():
    """A set has 0, the greatest magnitude and some smaller ones, each with both signs."""
    formats = list(ValueSets(bits=3, greatest=6).formats())
    sets = [tuple(map(int, fmt.values[:4])) for fmt in formats]
    expected = [(0, *inner, 6) for inner in combinations(range(1, 6), 2) if gcd(*inner, 6) == 1]
    assert sets == expected
    assert all(fmt.values[4:] == tuple(-value for value in fmt.values[:4]) for fmt in formats)
    names = {fmt.name for fmt in ValueSets(bits=4, greatest=12).formats()}
    assert "set_0_1_2_3_4_6_8_12" in names  # E2M1
    # This is the number of ways to choose 6 of the magnitudes 1 to 11. No six of them share
    # a divisor above 1 with 12, so none of the sets is left out.
    assert len(names) == 462
    (only,) = ValueSets(bits=4, greatest=7).formats()
    assert sorted(set(map(int, only.values))) == list(range(-7, 8))


@pytest.mark.parametrize("name", space_names())
def test_shipped_spaces_load(name):
    space = load_space(name)
    assert space.name == name
    assert len({fmt.name for fmt in space.formats}) == len(space.formats)
    assert next(space.trials()).key()


def test_supernormal_space_holds_shipped_formats_and_enough_designs():
    space = load_space("supernormal")
    values = {fmt.values for fmt in space.formats}
    for name in ("e2m1", "e2m1_sp", "e2m1_sr", "apot4", "apot4_sp"):
        assert load(name).values in values, name
    assert sum(1 for _ in space.trials()) >= 5000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2]", "a space must be a mapping"),
        ("name: mine\nformats: [int4", "not valid YAML: .* in line 2"),
        ("formats: [int4]", "Key 'name' is missing"),
        (f"{MINIMAL}name: again", "Key 'name' occurs twice"),
        ("name: &a mine\ntitle: *a", "aliases are not allowed"),
        ("name: ../mine\nformats: [int4]", "lower-case Python identifier"),
        (f"{MINIMAL}formatz: [int4]", "Unknown key 'formatz' in a space; allowed: name, title"),
        ("name: mine", "needs at least one format"),
        ("name: mine\nformats: int4", "formats must be a list"),
        ("name: mine\nformats: [int44]", "did you mean int4"),
        ("name: mine\nformats: [4]", "A format must be the name of a format or of a file, not 4"),
        (f"{MINIMAL}architectures: [sign_mag]", "did you mean sign_magnitude"),
        (f"{MINIMAL}architectures: []", "at least one entry"),
        (f"{MINIMAL}recipes: [best]", "known: all, resub"),
        (f"{MINIMAL}terms: [0]", "Number of terms must be 1 to"),
        (f"{MINIMAL}terms: [many]", "Number of terms must be an integer, not 'many'"),
        (f"{MINIMAL}clocks: [2]", "a clock must read like 2ns, 500ps, 1.2GHz or none, not 2"),
        (f"{MINIMAL}clocks: [2 feet]", "must read like 2ns, 500ps or 1.2GHz, not '2 feet'"),
        (f"{MINIMAL}clocks: [2ns]", "Recipe resub works without a clock: add 'none' to clocks"),
        (f"{MINIMAL}clocks: [none, 2ns]", "one of these recipes is needed: sized_brent_kung"),
        (f"{MINIMAL}recipes: [swift_kogge_stone]", r"swift_kogge_stone needs a clock: give clocks"),
        (f"{MINIMAL}technologies: [sky]", "Unknown technology 'sky'; did you mean sky130hd"),
        (f"{MINIMAL}multipliers: maybe", "multipliers must be true or false"),
        (f"{MINIMAL}measure: 1", "measure must be true or false, not 1"),
        (
            f"{MINIMAL}families: [supernormals]",
            "must be a mapping with one key, supernormal or",
        ),
        (f"{MINIMAL}families: [value_sets: 3]", r"families\[0\].value_sets must be a mapping"),
        (
            f"{MINIMAL}families: [value_sets: {{max: 3}}]",
            "'max' of value sets of 4 bits must be 7 to 64",
        ),
        (
            f"{MINIMAL}families: [value_sets: {{max: 40}}]",
            "3,262,623 value sets of 4 bits",
        ),
        (
            f"{MINIMAL}families: [supernormal: {{base: e2m1, from: 1, to: 2}}]",
            r"Key 'step' is missing in families\[0\].supernormal",
        ),
        (
            f"{MINIMAL}families: [supernormal: {{base: e2m1, from: 1, to: 2, step: 0}}]",
            "a positive 'step', not from 1 to 2 with step 0",
        ),
        (
            f"{MINIMAL}families: [supernormal: {{base: e2m1, from: 1, to: 2, step: 2/3}}]",
            "from 1 to 2 must be a whole number of steps of 2/3, not 3/2 steps",
        ),
        (
            f"{MINIMAL}families: [supernormal: {{base: e2m1, from: 0, to: 1e9, step: 1}}]",
            "at most 100000 values",
        ),
        (
            f"{MINIMAL}families: [supernormal: {{base: int4, from: 1, to: 2, step: 1}}]",
            "int4 has no code for negative zero",
        ),
    ],
)
def test_bad_spaces_are_refused_in_one_line(text, message):
    with pytest.raises(UserError, match=message) as caught:
        parse_space(text)
    assert "\n" not in str(caught.value)


def test_two_formats_of_one_name_are_refused(tmp_path):
    values = [*range(16)]
    (tmp_path / "one.yaml").write_text(f"name: own\nvalues: {values}")
    (tmp_path / "same.yaml").write_text(f"name: own\nvalues: {values}")
    (tmp_path / "other.yaml").write_text(f"name: own\nvalues: {values[::-1]}")
    parse_space("name: mine\nformats: [one.yaml, same.yaml]", tmp_path)
    with pytest.raises(UserError, match="Two formats with different values have the name own"):
        parse_space("name: mine\nformats: [one.yaml, other.yaml]", tmp_path)
    # The name of a shipped format is refused even if no other format of the space has it.
    (tmp_path / "int4.yaml").write_text(f"name: int4\nvalues: {values}")
    with pytest.raises(UserError, match="int4 is the name of a shipped format"):
        parse_space("name: mine\nformats: [int4.yaml]", tmp_path)


def test_errors_name_the_file_or_the_nearest_space(tmp_path):
    with pytest.raises(UserError, match=r"none.yaml: cannot be read"):
        load_space(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("name: mine\nformats: [int44]\n")
    with pytest.raises(UserError, match=r"bad.yaml: Unknown format 'int44'"):
        load_space(str(bad))
    with pytest.raises(UserError, match="did you mean supernormal"):
        load_space("supernormals")
