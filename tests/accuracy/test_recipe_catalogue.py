"""Recipes say how a model is quantized. They are read from YAML files and written as records.

Recipes with mistakes are refused.
"""

import json
from pathlib import Path

import pytest

from halfbyte.accuracy.recipes import Clipping, Operand, Recipe, load_recipe, recipe_names
from halfbyte.base import UserError
from halfbyte.formats import Ties, load
from halfbyte.golden.scales import ScaleFormat

SHIPPED = """
dotzel2024 dotzel2024_clip dotzel2024_w4a4 w4 w4_clip w4_gptq w4_mx w4_nv w4_sign w4a4 w4a4_sign
w4a4_smooth w4a8
"""


def write(folder: Path, text: str) -> str:
    """Write a recipe file. Returns its path."""
    path = folder / "recipe.yaml"
    path.write_text(text)
    return str(path)


def test_these_recipes_are_shipped() -> None:
    assert recipe_names() == tuple(SHIPPED.split())


@pytest.mark.parametrize("name", SHIPPED.split())
def test_a_shipped_recipe_has_its_name_and_a_json_record(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    record = json.loads(json.dumps(recipe.record()))
    assert record["name"] == name
    assert set(record) == {
        *("name", "title", "weights", "activations", "smooth", "gptq", "source"),
    }
    assert record["weights"]["block"] in (16, 32, 128)


def test_shipped_recipes_are_what_their_names_say() -> None:
    assert load_recipe("w4a8").activations == Operand(format="int8")
    assert load_recipe("w4_clip").weights == Operand(clip=Clipping.MSE_BLOCK)
    assert load_recipe("w4a4").activations == load_recipe("w4a4").weights == Operand()
    assert load_recipe("w4a4_smooth").smooth == "search"
    assert load_recipe("w4_gptq").gptq
    needing = {name for name in recipe_names() if load_recipe(name).needs_calibration}
    assert needing == {"w4a4_smooth", "w4_gptq"}


def test_recipes_of_the_paper_round_ties_by_the_kind_of_format() -> None:
    for operand in (load_recipe("dotzel2024").weights, load_recipe("dotzel2024_w4a4").activations):
        assert operand is not None
        assert operand.format_of(load("e2m1")).ties is Ties.DOWN
        assert operand.format_of(load("sf4")).ties is Ties.DOWN
        assert operand.format_of(load("int4")).ties is Ties.EVEN


@pytest.mark.parametrize(
    ("name", "fmt", "bits"),
    [
        ("w4", "int4", 4.25),
        ("w4_sign", "e2m1_sr", 4 + 33 / 128),
        ("w4_mx", "e2m1", 4.25),
        ("w4_nv", "e2m1", 4.5),
        ("w4", "int5", 5.25),
    ],
)
def test_bits_per_weight_count_codes_scales_and_signs(name: str, fmt: str, bits: float) -> None:
    assert load_recipe(name).bits_per_weight(load(fmt)) == bits


def test_bits_per_weight_with_scales_per_row_and_without_quantization() -> None:
    assert load_recipe("w4").with_block(None).bits_per_weight(load("int4")) == 4
    assert Recipe("a4", "", activations=Operand()).bits_per_weight(load("int4")) == 32


def test_another_block_size_changes_both_operands_and_the_name() -> None:
    recipe = load_recipe("w4a4").with_block(32)
    assert recipe.weights == recipe.activations == Operand(block=32)
    assert (recipe.name, recipe.title) == ("w4a4_b32", "weights and activations @ block 32")
    assert recipe.with_block(None).name == "w4a4_rows"
    assert recipe.with_block(None).weights == Operand(block=None)
    assert load_recipe("w4").with_block(128) == load_recipe("w4")
    with pytest.raises(UserError, match="block must be an integer from 1 to 1048576"):
        recipe.with_block(0)
    with pytest.raises(UserError, match=r"block must be an integer .* not a huge number"):
        recipe.with_block(10**5000)


def test_other_scales_change_both_operands_and_the_name() -> None:
    recipe = load_recipe("w4a4").with_scales(ScaleFormat.E8M0_RCEIL, 32)
    assert recipe.weights == recipe.activations == Operand(None, 32, ScaleFormat.E8M0_RCEIL)
    assert recipe.name == "w4a4_e8m0_rceil_b32"
    assert recipe.title == "weights and activations @ block 32, scales e8m0_rceil"
    assert recipe.with_scales(ScaleFormat.E4M3, 16).name == "w4a4_e4m3_b16"
    assert recipe.with_scales(ScaleFormat.E8M0_RCEIL, 32) is recipe
    longest = Recipe("a" * 40, "", weights=Operand()).with_scales(ScaleFormat.E4M3, 16)
    assert longest.name == f"{'a' * 31}_e4m3_b16"


def test_different_recipes_have_different_records(tmp_path: Path) -> None:
    recipes = [load_recipe(name) for name in recipe_names()]
    recipes += [recipe.with_block(64) for recipe in recipes]
    records = {json.dumps(recipe.record(), sort_keys=True) for recipe in recipes}
    assert len(records) == len(recipes)


def test_a_format_file_in_a_recipe_is_recorded_by_its_values(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    records = []
    for top in (7, 6):
        path.write_text(f"name: mine\nbits: 2\nvalues: [-1, 0, 1, {top}]\n")
        recipe = Recipe("a2", "", weights=Operand(), activations=Operand(format=str(path)))
        records.append(recipe.record()["activations"])
    assert records[0]["format"] == records[1]["format"]
    assert records[0]["format_key"] != records[1]["format_key"]


def test_a_recipe_is_read_from_a_file(tmp_path: Path) -> None:
    text = """
        name: mine
        title: my own
        weights: {block: null, scale_format: fp16, clip: mse_layer}
        activations: {format: int8, block: 64, supernormal_sign: block, ties: paper}
        smooth: 0.5
        gptq: true
    """
    recipe = load_recipe(write(tmp_path, text))
    assert recipe.weights is not None
    assert recipe.activations is not None
    assert recipe.weights.record() == {
        "format": None,
        "block": None,
        "scale_format": "fp16",
        "clip": "mse_layer",
        "supernormal_sign": "fixed",
        "ties": "format",
    }
    assert (recipe.activations.format, recipe.activations.block) == ("int8", 64)
    assert (recipe.smooth, recipe.gptq) == (0.5, True)


START = "name: a\ntitle: b\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (START, "needs 'weights' or 'activations'"),
        ("title: b\nweights: {}", "Key 'name' is missing"),
        (START + "weight: {}", "Unknown key 'weight' in a recipe; allowed: name, title, weights,"),
        (START + "weights: {blok: 3}", "Unknown key 'blok' in weights; allowed: format, block,"),
        (START + "weights: 4", "weights must be a mapping of keys, not 4"),
        (START + "weights: {block: 0}", "weights: block must be an integer from 1"),
        (START + "weights: {block: true}", "weights: block must be an integer .* not True"),
        (START + "weights: {block: 2.5}", "weights: block must be an integer"),
        (
            START + f"weights: {{block: 0x{'f' * 9000}}}",
            "in line 3 must have at most 100 digits, not 9002",
        ),
        (
            START + f"weights: {{block: {'9' * 9000}}}",
            "in line 3 must have at most 100 digits, not 9000",
        ),
        (START + "weights: {format: [1]}", "weights: format must be a format's name"),
        (START + "weights: {format: int99}", "weights: Unknown format 'int99'"),
        (START + "weights: {scale_format: fp8}", "scale_format must be one of fp32, fp16, bf16,"),
        (START + "weights: {clip: 3}", "clip must be one of none, mse_block, mse_layer, not 3"),
        (START + "activations: {clip: mse_block}", "activations.clip must be none"),
        (START + "weights: {}\nsmooth: 2", "smooth must be a number from 0 to 1, 'search' or null"),
        (START + "weights: {}\nsmooth: .nan", "smooth must be a number from 0 to 1"),
        (START + "weights: {}\nsmooth: true", "smooth must be a number from 0 to 1"),
        (START + "weights: {}\ngptq: 1", "gptq must be true or false, not 1"),
        (START + "activations: {}\ngptq: true", "gptq must be false in a recipe without 'weights'"),
        ("name: ../x\ntitle: b\nweights: {}", "name must be a lower-case letter, then"),
        (f"name: a\ntitle: {'b' * 999}\nweights: {{}}", "title must be text of at most 200"),
        (START + "weights: {}\nweights: {}", "Key 'weights' occurs twice"),
        (START + "weights: &x {}\nactivations: *x", "aliases are not allowed"),
        (START + "weights: !!python/object:os.system {}", "not valid YAML"),
        (START + "? [1, 2]\n: 3", "not valid YAML|Unknown key"),
        ("[" * 5000, "not valid YAML"),
        ("- 1", "a recipe must be a mapping of keys"),
        ("", "a recipe must be a mapping of keys, not None"),
        ("a: [", "not valid YAML"),
        ("#" * 20000, "a recipe must have at most 16384 bytes"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else None,
)
def test_a_bad_recipe_is_refused_with_its_mistake(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        load_recipe(write(tmp_path, text))
    assert "recipe.yaml: " in str(caught.value)
    assert len(str(caught.value)) < 600
    assert "\n" not in str(caught.value)


def test_an_unreadable_recipe_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_recipe(str(tmp_path / "missing.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="not a UTF-8 text file"):
        load_recipe(tmp_path / "binary.yaml")


def test_an_unknown_name_is_answered_with_the_nearest_known_one() -> None:
    with pytest.raises(UserError, match=r"did you mean w4_gptq\? known: dotzel2024,"):
        load_recipe("w4_gpt")
    with pytest.raises(UserError, match="Unknown recipe"):
        load_recipe("x" * 10**6)
