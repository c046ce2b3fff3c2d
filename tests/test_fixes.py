"""A printed snippet goes into a program as it is; every proof has its program, with its mistake marked.

The proofs themselves need root and network namespaces: scripts/prove_fixes.py.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pcapdiag.model.words import Cause
from pcapdiag.settings import catalog

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from fixes.proof import Proof
from fixes.proofs import PROOFS
from fixes.splice import go_imports, splice
from fixes.tools import PROGRAMS
from lab.errors import LabError

SNIPPET = "session = make(\n    size=50,\n)"


def test_the_snippet_takes_the_place_of_what_is_wrong_not_a_character_changed() -> None:
    source = "import x\n# fix: from here\nsession = None\n# fix: to here\nuse(session)\n"
    assert splice(source, SNIPPET) == f"import x\n{SNIPPET}\nuse(session)\n"


def test_it_is_indented_as_its_mark_is() -> None:
    source = "def f():\n    # fix: from here\n    session = None\n    # fix: to here\n    use(session)\n"
    assert splice(source, "a\n\nb") == "def f():\n    a\n\n    b\n    use(session)\n"


def test_where_it_belongs_elsewhere_it_is_pasted_there_once_and_every_wrong_block_goes() -> None:
    source = (
        "// fix: paste here\n\ncall() {\n  // fix: from here\n  made();\n  // fix: to here\n  use();\n"
        "  /* fix: from here */\n  freed();\n  /* fix: to here */\n}\n"
    )
    assert splice(source, "kept();") == "kept();\n\ncall() {\n  use();\n}\n"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("use()\n", "must mark"),
        ("# fix: from here\nuse()\n", "must mark"),
        ("# fix: to here\nuse()\n", "not in pairs"),
        ("# fix: from here\n# fix: from here\n# fix: to here\n", "not in pairs"),
        ("# fix: paste here\nuse()\n", "must mark"),
        ("# fix: from here\n# fix: to here\n# fix: from here\n# fix: to here\n", "several blocks"),
    ],
)
def test_marks_that_do_not_fit_are_an_error(source: str, complaint: str) -> None:
    with pytest.raises(LabError, match=complaint):
        splice(source, SNIPPET)


def test_no_snippet_is_an_error() -> None:
    with pytest.raises(LabError, match="no snippet"):
        splice("# fix: from here\n# fix: to here\n", " \n")


def test_gos_imports_are_those_of_the_packages_used() -> None:
    source = 'import (\n\t"io"\n\t"net/http"\n)\n\nvar d = 3 * time.Second // not io.EOF\nvar c http.Client\n'
    assert 'import (\n\t"net/http"\n\t"time"\n)\n' in go_imports(source)


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: proof.name)
def test_each_proof_has_its_program_and_names_what_the_catalogue_has(proof: Proof) -> None:
    source = (PROGRAMS / proof.program).read_text()
    pasted = splice(source, "the snippet")
    assert [line.strip() for line in pasted.splitlines()].count("the snippet") == 1
    assert "fix:" not in pasted
    assert proof.cause in {str(cause) for cause in Cause}
    settings = [
        setting
        for product in catalog.load().products.values()
        if product.name == proof.product
        for setting in product.settings
        if setting.name == proof.setting
    ]
    assert settings, f"{proof.product} has no {proof.setting}"
    assert settings[0].snippet


def test_every_program_with_marks_is_one_of_a_proof() -> None:
    used = {proof.program for proof in PROOFS}
    marked = {
        str(path.relative_to(PROGRAMS))
        for path in PROGRAMS.rglob("*")
        if path.is_file() and "fix: from here" in path.read_text()
    }
    assert marked == used


def test_proofs_have_names_of_their_own_and_span_ten_products_and_more() -> None:
    assert len({proof.name for proof in PROOFS}) == len(PROOFS)
    assert len({proof.product for proof in PROOFS}) >= 10


@pytest.mark.parametrize("proof", [proof for proof in PROOFS if proof.program.endswith((".py", ".js", ".rb", ".php"))])
def test_programs_are_ones_before_anything_is_pasted(proof: Proof) -> None:
    path = PROGRAMS / proof.program
    command = {".js": ["node", "--check"], ".rb": ["ruby", "-c"], ".php": ["php", "-l"]}.get(path.suffix)
    if command is None:
        compile(path.read_text(), str(path), "exec")
    elif shutil.which(command[0]) is None:
        pytest.skip(f"no {command[0]}")
    else:
        subprocess.run([*command, str(path)], check=True, capture_output=True)
