"""Keys that change with what they stand for, and with nothing else."""

import importlib
from fractions import Fraction
from pathlib import Path

import pytest

from halfbyte.base import content_key, source_fingerprint, versions_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "halfbyte_fingerprint_sample"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text("x = 1\n")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "two.py").write_text("y = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def fingerprint(*modules: str) -> str:
    source_fingerprint.cache_clear()
    return source_fingerprint(*modules)


def test_the_order_of_keys_does_not_matter() -> None:
    assert content_key({"a": 1, "b": [2, 3]}) == content_key({"b": [2, 3], "a": 1})


@pytest.mark.parametrize("other", [{"a": 2}, {"b": 1}, {"a": [1]}, {"a": "1"}, {"a": None}, {}])
def test_other_content_has_another_key(other: dict[str, object]) -> None:
    assert content_key({"a": 1}) != content_key(other)


def test_a_key_is_a_sha256_and_takes_fractions_and_paths() -> None:
    key = content_key({"quantum": Fraction(1, 127), "path": Path("x")})
    assert len(key) == 64
    assert int(key, 16) >= 0
    assert key != content_key({"quantum": Fraction(1, 31), "path": Path("x")})


def test_any_edit_changes_the_fingerprint(package: Path) -> None:
    before = fingerprint(package.name)
    assert fingerprint(package.name) == before
    (package / "inner" / "two.py").write_text("y = 3\n")
    after = fingerprint(package.name)
    assert after != before
    (package / "three.py").write_text("")
    assert fingerprint(package.name) not in (before, after)


def test_moving_code_between_folders_changes_the_fingerprint(package: Path) -> None:
    before = fingerprint(package.name)
    (package / "one.py").rename(package / "inner" / "one.py")
    assert fingerprint(package.name) != before


def test_a_module_stands_for_itself_alone(package: Path) -> None:
    module = f"{package.name}.one"
    before = fingerprint(module)
    (package / "inner" / "two.py").write_text("y = 4\n")
    assert fingerprint(module) == before
    (package / "one.py").write_text("x = 5\n")
    assert fingerprint(module) != before


def test_real_rooms_have_different_fingerprints() -> None:
    assert fingerprint("halfbyte.formats") != fingerprint("halfbyte.base")
    assert fingerprint("halfbyte.formats", "halfbyte.base") != fingerprint("halfbyte.formats")


@pytest.mark.parametrize("module", ["halfbyte_no_such_module", "sys"])
def test_a_module_without_source_is_refused(module: str) -> None:
    with pytest.raises(ValueError, match=f"Module {module} has no source file"):
        fingerprint(module)


def test_versions_are_those_installed() -> None:
    versions = versions_of("pytest", "no-such-distribution")
    assert versions == {"pytest": pytest.__version__, "no-such-distribution": None}


def test_modules_without_influence_are_left_out():
    whole = source_fingerprint("halfbyte.area")
    part = source_fingerprint("halfbyte.area", without=("halfbyte.area.exploration",))
    assert part != whole
    assert part != source_fingerprint("halfbyte.area", without=("halfbyte.pareto.system",))
    # A name is no prefix: leaving out ``exploration`` leaves out nothing that begins like it.
    assert whole == source_fingerprint("halfbyte.area", without=("halfbyte.area.explo",))
