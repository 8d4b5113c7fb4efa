"""Tests of the CUDA build, and of the host build, which compiles the same kernels for the CPU.

They cover compilers, cached libraries, and faults that are injected into kernels.
"""

import ctypes
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from halfbyte.base import ToolError
from halfbyte.base import compilers as host_compilers
from halfbyte.base.compilers import Compiler, host_compiler
from halfbyte.formats import load
from halfbyte.gpu_ref import build, cases, compilers, library, machine
from halfbyte.gpu_ref.check import check_format
from halfbyte.gpu_ref.comparison import merged
from halfbyte.gpu_ref.compilers import cuda_compiler, find_nvcc
from halfbyte.gpu_ref.library import Library
from halfbyte.gpu_ref.sanitizers import run_host_sanitizers, sanitized
from halfbyte.gpu_ref.structures import Quantize

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed")


@pytest.fixture(autouse=True)
def fresh_compilers():
    """Forget compilers that were found before, since tests change where compilers are found."""
    host_compilers._host_compiler.cache_clear()
    compilers._cuda_compiler.cache_clear()
    yield
    host_compilers._host_compiler.cache_clear()
    compilers._cuda_compiler.cache_clear()


def program(path: Path, script: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_no_compiler_is_an_error_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"No C\+\+ compiler found: .*apt install g\+\+"):
        host_compiler()
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ToolError, match="CXX='no-such-compiler' is not a program"):
        host_compiler()
    monkeypatch.setenv("CXX", "'g++")
    with pytest.raises(ToolError, match="is not a program"):
        host_compiler()


def test_an_old_compiler_is_an_error(monkeypatch, tmp_path):
    old = program(tmp_path / "oldcc", 'case "$1" in --version) echo "oldcc 4.8";; *) exit 1;; esac')
    monkeypatch.setenv("CXX", str(old))
    with pytest.raises(ToolError, match=r"too old \(oldcc 4.8\): the host build needs C\+\+17"):
        host_compiler()


def test_a_failed_nvidia_smi_gives_no_version(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program(tmp_path / "nvidia-smi", "echo 550.54.15")
    assert machine._driver() == "550.54.15"
    program(tmp_path / "nvidia-smi", "echo NVIDIA-SMI has failed; exit 9")
    assert machine._driver() is None


def test_a_missing_or_old_nvcc_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("NVCC", str(tmp_path / "nvcc"))
    with pytest.raises(ToolError, match=r"nvcc was not found, .* computes the same bits"):
        cuda_compiler()
    program(tmp_path / "nvcc", 'echo "Cuda compilation tools, release 10.2, V10.2.89"')
    with pytest.raises(ToolError, match=r"nvcc 10.2 is too old: .* needs 11.8"):
        cuda_compiler()
    program(tmp_path / "nvcc", 'echo "hello"')
    with pytest.raises(ToolError, match="is it nvcc"):
        cuda_compiler()


def architectures(monkeypatch, folder: Path, capability: tuple[int, int] | None, release: str):
    """The architectures that an nvcc of this release compiles for.

    The machine has a GPU of this compute capability, or no GPU if it is None.
    """
    known = "sm_80 sm_86 sm_89 sm_90 sm_100"
    listing = f'echo "{known}" | tr " " "\\n"'
    program(
        folder / "nvcc",
        f'case "$1" in --version) echo "release {release}, V{release}.1";; *) {listing};; esac',
    )
    monkeypatch.setenv("NVCC", str(folder / "nvcc"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: capability is not None)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda index: capability)
    compilers._cuda_compiler.cache_clear()
    flags = cuda_compiler().flags
    codes = [flag.rpartition("code=")[2] for flag in flags if "gencode" in flag]
    assert ("-DHB_WARPGROUPS" in flags) == ("sm_90a" in codes)
    return codes


def test_kernels_are_compiled_for_the_gpu_at_hand(monkeypatch, tmp_path):
    assert architectures(monkeypatch, tmp_path, (9, 0), "12.8") == ["sm_90a"]
    assert architectures(monkeypatch, tmp_path, (9, 0), "11.8") == ["sm_90"]
    assert architectures(monkeypatch, tmp_path, (8, 9), "12.8") == ["sm_89"]
    every = ["sm_80", "sm_90a", "compute_90"]
    # nvcc does not know capability 12.0, so it compiles for all supported GPUs.
    assert architectures(monkeypatch, tmp_path, (12, 0), "12.8") == every
    assert architectures(monkeypatch, tmp_path, None, "12.8") == every


def test_a_failed_compilation_shows_command_and_last_lines(tmp_path):
    (tmp_path / "broken.cpp").write_text("#error nothing works\n")
    with pytest.raises(ToolError, match=r"(?s)Compiling broken.cpp failed.*nothing works"):
        host_compiler().compile(["broken.cpp"], tmp_path / "out.so", tmp_path)


def test_libraries_are_compiled_once_per_content(monkeypatch):
    first = build.build_host()
    written = first.stat().st_mtime_ns
    compiled = []
    monkeypatch.setattr(Compiler, "compile", lambda *arguments: compiled.append(arguments))
    assert build.build_host() == first
    assert first.stat().st_mtime_ns == written
    assert not compiled
    assert not list(first.parent.glob(".part-*"))


def test_a_damaged_library_is_an_error(tmp_path):
    path = tmp_path / "host.so"
    path.write_bytes(b"no library")
    with pytest.raises(ToolError, match=r"cannot be loaded .* delete it to build it anew"):
        build.loaded(path)


def with_flags(compiler: Compiler, *extra: str, without: tuple[str, ...] = ()) -> Compiler:
    """The compiler with some flags added and some removed."""
    kept = tuple(flag for flag in compiler.flags if flag not in without)
    return Compiler(compiler.command, compiler.version, (*kept, *extra), compiler.target)


def check_with(monkeypatch, path: Path, name: str = "e2m1_sp") -> dict[str, int]:
    """How many numbers of each kernel differ from the golden model with the library at ``path``."""
    changed = Library(build.loaded(path))
    monkeypatch.setattr(library, "host_library", lambda: changed)
    shapes = [cases.Shape(5, 9, 900, 128), cases.Shape(3, 70, 96, 32), cases.Shape(8, 3, 96, 32)]
    totals = merged(check_format(load(name), torch.device("cpu"), shapes=shapes))
    return {total.kernel: total.different for total in totals}


@pytest.mark.slow
def test_a_build_without_wide_vectors_computes_the_same(monkeypatch):
    baseline = with_flags(host_compiler(), "-Og", "-DHB_NO_INTRINSICS", without=("-march=native",))
    path = build._library(baseline, "host.cpp", build._sources())
    assert Library(build.loaded(path)).simd == "128-bit vectors"
    assert not any(check_with(monkeypatch, path).values())
    assert not any(check_with(monkeypatch, path, "e3m2").values())


WAIT = "machine.template wait<Tile::STAGES - {}>()"
# The faults of each kind: source file; text with {} for an expression; the right and the wrong
# expression; the kernel that must differ. One library has all faults, and its variable hb_fault
# is the number of the kind that is active.
FAULTS = {
    "arithmetic": [
        ("gemm_mma.h", "{}", "matrix % 2 * 8 + lane % 8", "matrix / 2 * 8 + lane % 8", "gemm mma"),
        ("gemm_dp4a.h", "[{}][word]", "column + j * D::GRID", "column + j", "gemm dp4a"),
        ("quantize.h", "if ({})", "(lane & (group - 1)) == 0", "lane == 0", "quantize spans"),
        ("host_gemm.h", "({})", "a_steps[r]", "a_steps[0]", "gemm pairs"),
        ("arithmetic.h", "spare = {};", "64 - acc_width", "63 - acc_width", "mac_stream"),
    ],
    "early read": [("gemm_ring.h", "{};", WAIT.format(2), WAIT.format(1), "gemm mma")],
    "early write": [("gemm_ring.h", "write = {};", "read", "0", "gemm mma")],
}
SWITCH = """\
extern "C" __attribute__((visibility("default"))) int hb_fault;
int hb_fault = 0;
"""


@pytest.fixture(scope="module")
def faulty(gpu_ref_build):
    """The host build with all faults. None of them is active at first."""
    sources = build._sources()
    sources["host.cpp"] = SWITCH + sources["host.cpp"]
    for number, faults in enumerate(FAULTS.values(), 1):
        for name, place, right, wrong, _ in faults:
            assert sources[name].count(place.format(right)) == 1
            either = f"(hb_fault == {number} ? {wrong} : {right})"
            sources[name] = sources[name].replace(place.format(right), place.format(either))
    return build._library(with_flags(host_compiler(), "-Og"), "host.cpp", sources)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAULTS)
def test_injected_faults_are_found(monkeypatch, faulty, kind):
    chosen = ctypes.c_int.in_dll(build.loaded(faulty), "hb_fault")
    monkeypatch.setattr(chosen, "value", list(FAULTS).index(kind) + 1)
    different = check_with(monkeypatch, faulty)
    for *_, kernel in FAULTS[kind]:
        assert sum(count for name, count in different.items() if name.startswith(kernel)) > 0
    assert different["gemm plain"] == 0


@pytest.mark.slow
def test_sanitizers_find_nothing_in_the_host_build():
    output = run_host_sanitizers()
    assert re.search(r"gemm mma \(emulated\): [1-9]\d* compared, 0 different", output)


OVERRUN = """
import torch
from halfbyte.gpu_ref import build, library, structures
from halfbyte.formats import load
x, device = torch.zeros(64), torch.device("cpu")
call = structures.Quantize(x=x.data_ptr(), rows=65, length=1, block=1, clip=1, scales=x.data_ptr())
library.host_library().call("hb_scales", device, build.format_table(load("int4")), call)
"""


@pytest.mark.slow
def test_sanitizers_find_a_write_past_a_tensor():
    done = subprocess.run(
        [sys.executable, "-c", OVERRUN], env=sanitized(), capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr


def compiled_by_nvcc(monkeypatch, folder: Path, main: str) -> tuple[dict[str, str], str]:
    """Compile a source for every GPU. Returns its PTX by architecture, and the log of ptxas."""
    with monkeypatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        compiler = with_flags(cuda_compiler(), "--keep", "--keep-dir=kept", "-Xptxas=-v")
    for name, text in build._sources().items():
        (folder / name).write_text(text)
    (folder / "kept").mkdir()
    command = [*compiler.command, *compiler.flags, main, "-o", "device.so"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    kept = {path.stem: path.read_text() for path in (folder / "kept").glob("*.ptx")}
    ptx = {name.rpartition("compute_")[2]: text for name, text in kept.items()}
    assert ptx.keys() == {"80", "90", "90a"}
    for text in ptx.values():
        # Every FP32 operation states its rounding, so none can be fused into a multiply-add.
        assert not re.search(r"\bfma\.[a-z.]*f32", text)
        assert not re.search(r"\b(add|sub|mul)(\.ftz)?\.f32", text)
        assert ".ftz" not in text
    return ptx, done.stderr


def spills(log: str, kernel: str) -> list[str]:
    """The lines of the log about instances of a kernel that need more registers than there are."""
    reports = re.findall(kernel + r"\S+\n\s+(.*spill stores.*)", log)
    assert reports
    return [line for line in reports if not line.startswith("0 bytes stack frame, 0 bytes spill")]


@needs_nvcc
@pytest.mark.slow
def test_the_cuda_build_has_the_instructions_that_exact_results_need(tmp_path, monkeypatch):
    ptx, log = compiled_by_nvcc(monkeypatch, tmp_path, "device.cu")
    for needed in ("mul.rn.f32", "add.rn.f32", "div.rn.f32", "dp4a.s32.s32", "cp.async.cg.shared"):
        assert needed in ptx["90"]
    assert "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32" in ptx["90"]
    assert "ldmatrix.sync.aligned.m8n8.x4.shared.b16" in ptx["90"]
    assert not spills(log, "gemm_mma_kernel")

    built = Library(build.loaded(tmp_path / "device.so"))
    assert built.kind == "cuda"
    assert built.simd is None
    if not torch.cuda.is_available():
        context = torch.device("cuda", 0)
        stream = SimpleNamespace(cuda_stream=None)
        monkeypatch.setattr(torch.cuda, "current_stream", lambda index: stream)
        with pytest.raises(ToolError, match=r"absmax failed on cuda:0: cudaGetDevice"):
            built.call("hb_absmax", context, Quantize())


@needs_nvcc
@pytest.mark.slow
def test_warpgroups_are_compiled_for_hopper_alone(tmp_path, monkeypatch):
    ptx, log = compiled_by_nvcc(monkeypatch, tmp_path, "device_tiles.cu")
    assert "wgmma.mma_async.sync.aligned.m64n128k32.s32.s8.s8" in ptx["90a"]
    assert not any("wgmma.mma_async" in ptx[name] for name in ("80", "90"))
    assert "serialized" not in log  # ptxas writes this word if it cannot overlap products
    assert not spills(log, "gemm_w?g?mma_kernel")
    assert Library(build.loaded(tmp_path / "device.so"), lambda kind: {}).has_groups
