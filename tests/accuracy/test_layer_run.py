"""``halfbyte run``, which streams a layer of a model through an array of dot-product units.

These tests replace the simulation of the array; ``tests/sim`` tests the simulation.
"""

import json

import pytest
from typer.testing import CliRunner

from halfbyte.base import UserError
from halfbyte.cli.app import app
from halfbyte.rtl.array import WeightArraySpec
from halfbyte.sim.array.product import ArrayRun, expected_product


def test_a_layer_is_streamed_through_the_array_that_was_asked_for(small_llama, monkeypatch):
    def golden(spec, operands):
        assert isinstance(spec, WeightArraySpec)
        product = expected_product(spec, operands)
        cycles = spec.cycles(operands.a.shape[1], len(operands.w), len(operands.a))
        return product, ArrayRun(product.numel(), cycles, 0.0, 0.0)

    monkeypatch.setattr("halfbyte.sim.array.product.run_product", golden)
    monkeypatch.setattr("halfbyte.gpu_ref.product_check.compare_product", lambda *_, **__: "-")
    layer = ["--layer", "model.layers.1.mlp.down_proj", "--scale", "e4m3", "--tokens", "3"]
    sizes = {"lanes": 8, "rows": 2, "columns": 3, "depth": 5, "dataflow": "weight"}
    array = [f"--{name}={value}" for name, value in sizes.items()]
    done = CliRunner().invoke(app, ["run", str(small_llama), "int4", *layer, *array, "--json"])
    (record,) = json.loads(done.stdout)
    assert {name: record[name] for name in sizes} == sizes
    assert (record["inputs"], record["outputs"], record["results"]) == (72, 40, 3 * 40)
    # A tile has the size of the array: 2 rows of 8 lanes, and 3 columns. So 72 inputs need five
    # tiles, and 40 outputs 14. A tile takes five cycles (the depth). Filling and emptying
    # the array takes 2 * rows + columns - 1 more cycles.
    assert record["cycles"] == 5 * 14 * 5 + 2 * 2 + 3 - 1
    assert 10 < record["sqnr_db"] < 30


@pytest.mark.parametrize(
    ("layer", "memory", "message"),
    [
        ("model.layers.7.mlp.down_proj", None, "has no linear layer 'model.layers.7.mlp"),
        (
            "model.layers.1.mlp.down_proj",
            2**16,
            "Streaming model.layers.1.mlp.down_proj through the array needs about .* KiB of "
            "memory, but only 64.0 KiB is available; .*, or take fewer tokens",
        ),
    ],
)
def test_a_layer_that_cannot_be_run_ends_in_one_line(
    small_llama, monkeypatch, layer, memory, message
):
    if memory:
        monkeypatch.setattr("halfbyte.checkpoints.memory.available_memory", lambda: memory)
        monkeypatch.setattr("halfbyte.accuracy.models.loading.check_memory", lambda *_: None)
    arguments = ["run", str(small_llama), "int4", "--layer", layer, "--tokens", "3"]
    done = CliRunner().invoke(app, [*arguments, "--lanes", "8"])
    assert isinstance(done.exception, UserError)
    with pytest.raises(UserError, match=message):
        raise done.exception
    assert "\n" not in str(done.exception)
