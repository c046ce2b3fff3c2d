"""The pages, the package and the build say what is so."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import click
import pytest

import pcapdiag
from pcapdiag._build import compiled
from pcapdiag.cli import pcapdiag as command_line
from pcapdiag.model import words
from pcapdiag.packets.source import OTHER_FORMATS
from pcapdiag.segments.decoder import REASONS

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "pcapdiag"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(ROOT.glob("docs/*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIMITS = (ROOT / "docs" / "LIMITS.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "GLOSSARY.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# The modules with C types, as dotted names.
PACKET_PATH = sorted(".".join(path.relative_to(ROOT).with_suffix("").parts) for path in SOURCE.glob("**/*.pxd"))


def update_readme(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script; ``pcapdiag`` is the package under test."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "update_readme.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


# README


def test_the_readme_shows_what_the_program_prints() -> None:
    run = update_readme("--check")
    assert run.returncode == 0, f"make readme writes it again\n{run.stdout}{run.stderr}"


@pytest.mark.parametrize(("name", "program"), [("try", "pcapdiag diagnose captures/"), ("test", "pytest")])
def test_the_commands_of_the_readme_are_one_line_each(name: str, program: str) -> None:
    command = update_readme("--print", name).stdout.strip()
    assert "\n" not in command
    assert "pip install" in command
    assert program in command


def shell_lines() -> list[list[str]]:
    """The program's command lines in the README, each as its words without comments."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", README, re.DOTALL):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            while "pcapdiag" in words:
                words = words[words.index("pcapdiag") + 1 :]
                found.append(words)
    return found


def test_the_readme_has_an_example_of_every_command() -> None:
    assert {line[0] for line in shell_lines()} == set(command_line.commands)


@pytest.mark.parametrize("line", shell_lines(), ids=" ".join)
def test_every_example_of_the_readme_is_a_command_line_that_parses(
    line: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for word in line[1:]:
        if word.endswith(".pcap"):
            Path(word).parent.mkdir(exist_ok=True)
            Path(word).touch()
    command = command_line.commands[line[0]]
    with command.make_context(line[0], line[1:], parent=click.Context(command_line)) as context:
        assert context.args == []


def test_the_python_example_of_the_readme_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {})
    assert "PD205" in capsys.readouterr().out


# Pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:pcapdiag|scripts|tests|docs|captures|\.ci)/[\w./-]*)(?:::\w+)?`", text))
    for first, others in re.findall(r"`(pcapdiag/\w+/)\w+\.py`((?:, `\w+\.py`)+)", text):
        named |= {first + other for other in re.findall(r"\w+\.py", others)}
    linked = {
        str((page.parent / target).relative_to(ROOT)) for target in re.findall(r"\]\(([\w./-]+\.md|LICENSE)\)", text)
    }
    named -= {"pcapdiag/1", "pcapdiag-states/1"}  # schemas of the JSON
    assert [path for path in sorted(named | linked) if not (ROOT / path).exists()] == []


def test_every_test_that_a_page_names_exists() -> None:
    missing = []
    for page in PAGES:
        for file, test in re.findall(r"(tests/test_\w+\.py)::(\w+)", page.read_text(encoding="utf-8")):
            if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8"):
                missing.append(f"{page.name}: {file}::{test}")
    assert missing == []


def test_every_import_contract_is_an_invariant_of_the_architecture() -> None:
    contracts = {contract["name"] for contract in PROJECT["tool"]["importlinter"]["contracts"]}
    assert set(re.findall(r'[Cc]ontract "([^"]+)"', ARCHITECTURE)) == contracts


def test_every_folder_of_the_package_is_in_the_architecture() -> None:
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert [folder for folder in sorted(folders) if f"{folder}/" not in ARCHITECTURE] == []


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_why_a_packet_is_not_decoded_is_in_the_limits(reason: str) -> None:
    assert reason.removeprefix("other ") in LIMITS


@pytest.mark.parametrize("what", [what for _, what, _ in OTHER_FORMATS if what != "a program"])
def test_every_format_that_is_named_but_not_read_is_in_the_limits(what: str) -> None:
    name = re.sub(r"^an? |-compressed file| archive| \d? ?capture$", "", what)
    assert name in LIMITS


@pytest.mark.parametrize("words", [words.CloseClass, words.Opening, words.Count], ids=lambda kind: kind.__name__)
def test_the_glossary_has_the_words_of_the_reports(words: type[words.Word]) -> None:
    other = {"turns": "turn", "open": "open at its end", "none": ""}
    text = GLOSSARY + LIMITS
    said = [other.get(word.word, word.word.replace("_", " ")) for word in words]
    assert [word for word in said if word not in text] == []


def test_the_changelog_has_the_version() -> None:
    assert f"## [{pcapdiag.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


# Package and build


def test_the_package_under_test_is_the_one_that_was_asked_for() -> None:
    """CI sets PCAPDIAG_EXPECT: the installed package, compiled or interpreted, and not the source tree."""
    expected = os.environ.get("PCAPDIAG_EXPECT")
    where = Path(pcapdiag.__file__).resolve().parent
    print(f"{where}, {'compiled' if compiled() else 'interpreted'}")
    if expected is None:
        pytest.skip("PCAPDIAG_EXPECT is not set")
    assert where != SOURCE
    assert ("compiled" if compiled() else "interpreted") == expected


def test_the_packet_path_is_compiled_whole_or_not_at_all() -> None:
    files = {name: importlib.import_module(name).__file__ or "" for name in PACKET_PATH}
    assert {name for name, file in files.items() if file.endswith(".py") is compiled()} == set()


def test_the_compiled_modules_have_no_pointers_and_every_index_is_checked() -> None:
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert '"boundscheck": True' in setup
    assert '"cdivision": False' in setup
    for name in PACKET_PATH:
        types = (ROOT / Path(*name.split("."))).with_suffix(".pxd").read_text(encoding="utf-8")
        assert not re.search(r"\w\s*\*|cdef extern|libc|boundscheck", types), f"{name}.pxd"
        python = (ROOT / Path(*name.split("."))).with_suffix(".py").read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) c?ython", python, re.MULTILINE), f"{name}.py"
        assert "# cython:" not in types + python, name


def test_the_package_has_its_data() -> None:
    for package, name in [
        ("pcapdiag", "py.typed"),
        ("pcapdiag.reports.schema", "pcapdiag-1.schema.json"),
        ("pcapdiag.reports.schema", "pcapdiag-states-1.schema.json"),
        ("pcapdiag.settings.data", "go-net-http.toml"),
    ]:
        assert resources.files(package).joinpath(name).is_file(), f"{package}/{name}"


def test_analyze_is_there_and_imported_only_when_asked_for() -> None:
    code = "import sys, pcapdiag; assert 'numpy' not in sys.modules; pcapdiag.analyze; assert 'numpy' in sys.modules"
    subprocess.run([sys.executable, "-P", "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = pcapdiag.analyse
