"""Test the benchmark of the codec and, for comparison, of other codecs."""

import pytest

from halfbyte.base import UserError
from halfbyte.golden.dfloat11 import bench, peers


def test_other_codecs_are_measured_in_the_same_run():
    pytest.importorskip("zipnn", reason="zipnn is an optional package")
    pytest.importorskip("openzl", reason="openzl is an optional package")
    records = bench.benchmark_codec(elements=1 << 16, repeats=1, with_peers=True)
    bits = {record.what: record.bits_per_weight for record in records}
    assert bits["joint, decode"] < bits["prefix, decode"] < bits["published layout, decode"]
    assert {"zipnn, decode", "openzl, encode", "joint, decode, verified"} <= bits.keys()
    assert bits["copy"] == bits["copy to fresh memory"] == 16


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"zipnn and openzl must be installed; run: pip install"):
        peers.peers()
