"""The public names of ``import halfbyte``: each is imported on first use; results are records."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import halfbyte
from halfbyte.accuracy.record import MeasureRecord
from tests.factory import sample


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import sys, halfbyte; dir(halfbyte); halfbyte.__version__; "
        "print([name for name in ('numpy', 'scipy', 'torch', 'amaranth') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["formats"], ["synth", "--help"]])
def test_commands_import_no_more_than_they_need(words):
    code = (
        "import sys; from halfbyte.cli import main; sys.argv = ['halfbyte', *sys.argv[1:]]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([n for n in ('scipy.stats', 'torch', 'amaranth') if n in sys.modules], "
        "file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert done.stdout


def test_every_public_name_exists_and_is_listed():
    for name in halfbyte.__all__:
        assert getattr(halfbyte, name) is not None
    assert set(halfbyte.__all__) <= set(dir(halfbyte))
    for name in ("load", "quantize", "gemm", "synthesize", "simulate", "prove", "evaluate"):
        assert f"``{name}``" in halfbyte.__doc__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        halfbyte.nothing  # noqa: B018


def test_block_scales_are_chosen_by_name():
    block = halfbyte.quantize([[0.25, -2.0, 4.0, 24.0]], "e2m1", block=4, scale_format="e8m0_floor")
    assert block.scales.tolist() == [[4.0]]
    assert block.dequantize().tolist() == [[0.0, -2.0, 4.0, 24.0]]
    with pytest.raises(halfbyte.UserError, match=r"Scales must be one of fp32, .*, not 'e9m0'"):
        halfbyte.quantize([[1.0]], "e2m1", scale_format="e9m0")


def test_numpy_arrays_tensors_and_lists_are_quantized_and_multiplied():
    x = np.linspace(-3, 3, 64, dtype=np.float32).reshape(2, 32)
    a = halfbyte.quantize(x, "e2m1", block=16)
    same = halfbyte.quantize(torch.from_numpy(x), halfbyte.load("e2m1"), block=16)
    assert torch.equal(a.codes, same.codes)
    assert halfbyte.gemm(a, halfbyte.quantize([[1] * 32], "int4", block=16)).shape == (2, 1)
    codes = halfbyte.encode([0.0, 1.0, -6.0], "e2m1")
    assert halfbyte.decode(codes.tolist(), "e2m1").tolist() == [0.0, 1.0, -6.0]


def test_a_mac_stream_takes_lists_and_the_overflow_mode_by_name():
    spec = halfbyte.mac("int4", acc_width=8, overflow="saturate")
    assert spec.overflow is halfbyte.Overflow.SATURATE
    sums = halfbyte.mac_stream(spec, [7] * 4, [7] * 4, [True, False, False, False])
    assert sums.tolist() == [49, 98, 127, 127]
    with pytest.raises(halfbyte.UserError, match="Overflow must be wrap or saturate, not 'clamp'"):
        halfbyte.mac("int4", overflow="clamp")


def test_the_frontier_may_have_formats_that_are_only_in_a_users_file():
    measure = sample(MeasureRecord, title="fidelity", value=0.9, low=0.8, high=1.0, baseline=1.0)
    areas = [sample(halfbyte.SynthesisRecord, format=name) for name in ("e2m1", "mine")]
    evaluations = [
        sample(halfbyte.EvaluationRecord, format=name, measures={"fidelity": measure})
        for name in ("e2m1", "mine")
    ]
    (axes,) = halfbyte.plot_frontier(areas, evaluations).axes
    assert "mine" in " ".join(text.get_text() for text in axes.texts)


@pytest.mark.yosys
def test_synthesis_gives_a_record_and_export_writes_verilog(tmp_path, shared_build, monkeypatch):
    monkeypatch.setenv("HALFBYTE_BUILD", str(shared_build))
    spec = halfbyte.mac("e1m2", architecture="sign_magnitude", terms=4)
    record = halfbyte.synthesize(spec)
    assert isinstance(record, halfbyte.SynthesisRecord)
    assert record.is_proved
    assert halfbyte.SynthesisRecord.from_json(json.loads(json.dumps(record.as_json()))) == record
    exported = halfbyte.export(spec, tmp_path / "rtl")
    assert (tmp_path / "rtl" / f"{exported.module}.v").is_file()
