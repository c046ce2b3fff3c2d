"""What the renderers may know."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import pcapdiag.reports

FOLDER = Path(pcapdiag.reports.__file__).parent
ALLOWED = ("pcapdiag.model", "pcapdiag.errors", "pcapdiag.reports")


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_a_renderer_sees_the_report_and_nothing_else(path: Path) -> None:
    ours = [name for name in imports(path) if name.startswith("pcapdiag")]
    assert [name for name in ours if not name.startswith(ALLOWED)] == []


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: path.stem)
def test_a_renderer_reads_no_clock(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert "time" not in list(imports(path))
    assert ".now(" not in source
    assert ".today(" not in source
