"""Keys and fingerprints, which change if their content or code changes, and only then."""

import importlib
from fractions import Fraction
from pathlib import Path

import pytest

import halfbyte
from halfbyte.base import code_fingerprint, content_key, imports, versions_of


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a package in which module ``one`` imports ``two``, but not ``three``."""
    folder = tmp_path / "halfbyte_fingerprint_sample"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "one.py").write_text(f"from {folder.name}.two import y\n")
    (folder / "two.py").write_text("y = 2\n")
    (folder / "three.py").write_text("z = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    return folder


def fingerprint(*modules: str) -> str:
    """The fingerprint of the modules, computed from the files as they are now."""
    code_fingerprint.cache_clear()
    imports._passed_on.cache_clear()
    return code_fingerprint(*modules)


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


@pytest.mark.parametrize("edited", ["one", "two"])
def test_an_edit_of_a_module_or_of_what_it_imports_changes_its_fingerprint(
    package: Path, edited: str
) -> None:
    before = fingerprint(f"{package.name}.one")
    path = package / f"{edited}.py"
    path.write_text(f"{path.read_text()}edited = True\n")
    after = fingerprint(f"{package.name}.one")
    assert after != before
    assert fingerprint(f"{package.name}.one") == after


def test_modules_that_are_not_imported_do_not_change_the_fingerprint(package: Path) -> None:
    before = fingerprint(f"{package.name}.one")
    (package / "three.py").write_text("z = 4\n")
    (package / "four.py").write_text("")
    assert fingerprint(f"{package.name}.one") == before
    assert fingerprint(f"{package.name}.one", f"{package.name}.three") != before


def test_comments_and_docstrings_do_not_change_the_fingerprint(package: Path) -> None:
    path = package / "two.py"
    path.write_text('"""Two."""\n\ny = 2\n"""Twice one."""\n')
    before = fingerprint(f"{package.name}.one")
    path.write_text('"""The second."""\ny = 2  # as one knows\n\n"""Half of four."""\n')
    assert fingerprint(f"{package.name}.one") == before
    path.write_text('"""Two."""\n\ny = 2\nname = """Twice one."""\n')
    assert fingerprint(f"{package.name}.one") != before


def test_moving_code_between_modules_changes_the_fingerprint(package: Path) -> None:
    names = [f"{package.name}.one", f"{package.name}.two"]
    before = fingerprint(*names)
    one, two = (package / "one.py").read_text(), (package / "two.py").read_text()
    (package / "one.py").write_text(one + two)
    (package / "two.py").write_text("")
    assert fingerprint(*names) != before


def test_a_module_without_source_is_refused() -> None:
    with pytest.raises(ValueError, match="Module halfbyte_no_such_module has no source file"):
        fingerprint("halfbyte_no_such_module")


def test_versions_are_those_installed() -> None:
    versions = versions_of("pytest", "no-such-distribution")
    assert versions == {"pytest": pytest.__version__, "no-such-distribution": None}


def test_the_version_of_halfbyte_is_that_of_the_code() -> None:
    assert versions_of("halfbyte") == {"halfbyte": halfbyte.__version__}
