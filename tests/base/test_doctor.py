"""``doctor.examine`` finds the programs and packages that are installed."""

import pytest

from halfbyte.base import doctor


def test_finds_the_tools_that_the_tests_need():
    found = {finding.name: finding for finding in doctor.examine()}
    for name in ("python", "amaranth", "pyosys", "torch", "verilator", "g++"):
        assert found[name].status == "ok", name
        assert found[name].version


def test_names_missing_tools_and_how_to_install_them(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = {finding.name: finding for finding in doctor.examine()}
    assert (found["g++"].status, found["iverilog"].status) == ("missing", "absent")
    assert "apt install g++" in found["g++"].remedy
    assert found["g++"].as_json()["version"] is None


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 1\n", "#!/bin/sh\necho hello\n"])
def test_a_tool_that_prints_no_version_counts_as_installed(monkeypatch, tmp_path, text):
    tool = tmp_path / "iverilog"
    tool.write_text(text)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["iverilog"].version == "installed"


@pytest.mark.parametrize(("status", "version"), [(0, "A GPU, 550.1"), (9, None)])
def test_a_gpu_needs_a_driver_that_works(monkeypatch, tmp_path, status, version):
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho 'A GPU, 550.1'\nexit {status}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["GPU"].version == version
