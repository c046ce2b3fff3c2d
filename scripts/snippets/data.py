"""Settings in formats that a parser knows, where the product itself has no test for them."""

from __future__ import annotations

import configparser
import importlib.util
import re
import tomllib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from snippets.tools import ToolMissingError


def yaml(snippet: str, folder: Path) -> str:
    if importlib.util.find_spec("yaml") is None:
        raise ToolMissingError("PyYAML")
    import yaml as parser

    try:
        document = parser.safe_load(snippet)
    except parser.YAMLError as error:
        return str(error)
    return "" if isinstance(document, dict) else "no table of settings"


def toml(snippet: str, folder: Path) -> str:
    try:
        tomllib.loads(snippet)
    except tomllib.TOMLDecodeError as error:
        return str(error)
    return ""


def xml(snippet: str, folder: Path) -> str:
    try:
        ElementTree.fromstring(snippet)
    except ElementTree.ParseError as error:
        return str(error)
    return ""


def ini(snippet: str, folder: Path) -> str:
    try:
        configparser.ConfigParser().read_string(f"[section]\n{snippet}" if not snippet.startswith("[") else snippet)
    except configparser.Error as error:
        return str(error)
    return ""


def properties(snippet: str, folder: Path) -> str:
    return _lines(snippet, r"[A-Za-z][\w.-]*=\S.*", "key=value")


def jvm_flag(snippet: str, folder: Path) -> str:
    return _lines(snippet, r"-D[A-Za-z][\w.]*=\S+", "-Dname=value")


def sysctl(snippet: str, folder: Path) -> str:
    return _lines(snippet, r"[a-z0-9_.]+ = \S.*", "a line of sysctl.conf")


def postgresql(snippet: str, folder: Path) -> str:
    return _lines(snippet, r"[a-z_]+ = ('[^']*'|[\w.]+)( *#.*)?", "a line of postgresql.conf")


def _lines(snippet: str, pattern: str, form: str) -> str:
    wrong = [line for line in snippet.splitlines() if not re.fullmatch(pattern, line)]
    return f"not {form}: {wrong[0]}" if wrong else ""
