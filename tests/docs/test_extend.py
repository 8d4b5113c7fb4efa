"""Follows ``docs/how_to/extend.md`` in a copy of the repository: its edits, commands and tests."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.area.small_library import library

from .blocks import ROOT, blocks, commands

PAGE = ROOT / "docs" / "how_to" / "extend.md"
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", "build", "__pycache__", ".*_cache", "images")
PROGRAMS = {
    "python": [sys.executable],
    "halfbyte": [sys.executable, "-c", "from halfbyte.cli import main; main()"],
}


def changed(text, diff):
    """Apply a diff to a text. The diff has no line numbers; ``@@`` lines separate its parts."""
    for part in diff.split("@@\n"):
        lines = part.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count(old) == 1, f"the file must contain these lines once: {old}"
        text = text.replace(old, new)
    return text


@pytest.fixture
def tree(tmp_path):
    """A copy of the repository, with a Liberty file from which the page makes a technology card."""
    copy = tmp_path / "halfbyte"
    shutil.copytree(ROOT, copy, symlinks=True, ignore=LEFT_OUT)
    (copy / "FULL.lib").write_text(library())
    return copy


@pytest.mark.slow
def test_every_step_of_the_page_works(tree):
    environment = {**os.environ, "PYTHONPATH": str(tree), "HALFBYTE_BUILD": str(tree / "build")}
    done = []
    for block in blocks(PAGE):
        path = tree / (block.title or "")
        if block.kind == "diff":
            path.write_text(changed(path.read_text(), block.text))
        elif block.title:
            assert not path.exists()
            path.write_text(block.text)
        for program, *arguments in commands(block) if block.kind == "sh" else ():
            result = subprocess.run(
                [*PROGRAMS[program], *arguments],
                cwd=tree,
                env=environment,
                capture_output=True,
                text=True,
                timeout=600,
            )
            assert result.returncode == 0, (arguments, result.stdout[-3000:], result.stderr)
            done.append(result.stdout)
    assert len(done) == 7
    assert "Steps4" in done[1]
    assert "mylib" in done[-1]
    for tests, count in ((done[0], 10), (done[2], 10), (done[5], 2)):
        passed = int(tests.split(" passed")[0].split()[-1])
        assert passed >= count and " skipped" not in tests, tests
    assert Path(tree / "build" / "quarter_squares").is_dir()
