"""Packets, the inputs of the DFloat11 decoder, made from a model's weights to measure energy."""

import pytest

from halfbyte.area.timing.packets import load_fixed_packets, load_packets
from halfbyte.base import UserError
from halfbyte.pareto import packets


@pytest.mark.model
@pytest.mark.parametrize(
    ("collect", "shipped"),
    [(packets.collect_packets, load_packets), (packets.collect_fixed_packets, load_fixed_packets)],
)
def test_shipped_packets_are_what_the_command_writes(collect, shipped):
    assert collect("minilm").content_hash == shipped().content_hash


def test_a_model_with_few_matrices_is_refused(monkeypatch):
    monkeypatch.setattr(packets, "LAYERS", 1000)
    with pytest.raises(UserError, match="Packets need 1000 matrices of at least 256 columns"):
        packets.collect_packets("bytelm")
