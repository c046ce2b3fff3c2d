"""The JSON Schemas of ``--format json``: the contract that programs rely on (draft 2020-12)."""

from __future__ import annotations

from importlib.resources import files


def pcapdiag_1() -> str:
    """The text of the schema of ``pcapdiag/1``, the output of ``diagnose`` and ``connections``."""
    return _text("pcapdiag-1")


def compare_1() -> str:
    """The text of the schema of ``pcapdiag-compare/1``, the output of ``compare``."""
    return _text("pcapdiag-compare-1")


def connection_1() -> str:
    """The text of the schema of ``pcapdiag-connection/1``, the output of ``connection``."""
    return _text("pcapdiag-connection-1")


def live_1() -> str:
    """The text of the schema of ``pcapdiag-live/1``, a line of ``live --format ndjson``."""
    return _text("pcapdiag-live-1")


def states_1() -> str:
    """The text of the schema of ``pcapdiag-states/1``, the output of ``states``."""
    return _text("pcapdiag-states-1")


def whatif_1() -> str:
    """The text of the schema of ``pcapdiag-whatif/1``, the output of ``whatif``."""
    return _text("pcapdiag-whatif-1")


def _text(name: str) -> str:
    return files(__name__).joinpath(f"{name}.schema.json").read_text(encoding="utf-8")
