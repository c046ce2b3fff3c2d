"""The JSON Schema of ``--format json``: the contract that programs rely on."""

from __future__ import annotations

from importlib.resources import files


def pcapdiag_1() -> str:
    """The text of the schema of ``pcapdiag/1`` (JSON Schema, draft 2020-12)."""
    return files(__name__).joinpath("pcapdiag-1.schema.json").read_text(encoding="utf-8")


def compare_1() -> str:
    """The text of the schema of ``pcapdiag-compare/1``, likewise."""
    return files(__name__).joinpath("pcapdiag-compare-1.schema.json").read_text(encoding="utf-8")
