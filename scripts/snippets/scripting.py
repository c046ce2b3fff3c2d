"""Python, JavaScript, PHP, Ruby and the shell."""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from snippets.tools import run, tool

# Modules that the Python snippets use without importing them again.
MODULES = ("aiohttp", "asyncpg", "grpc", "httpx", "psycopg_pool", "redis", "requests", "socket", "ssl", "urllib3")


def python(snippet: str, folder: Path) -> str:
    """Compiled; and names of modules that are installed here exist, with the keyword arguments they are given."""
    try:
        tree = ast.parse(snippet + "\n", "snippet.py")
        compile(snippet + "\n", "snippet.py", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError as error:
        return str(error)
    return "; ".join(_unknown_names(tree))


def _unknown_names(tree: ast.Module) -> Iterator[str]:
    names = _imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            path = _path(node)
            if path and path[0] in names and _resolve(names, path) is None:
                yield f"{'.'.join(path)} does not exist"
        elif isinstance(node, ast.Call):
            path = _path(node.func)
            target = _resolve(names, path) if path and path[0] in names else None
            if target is not None:
                yield from _unknown_keywords(target, ".".join(path), node)


def _unknown_keywords(target: Any, name: str, call: ast.Call) -> Iterator[str]:
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError):
        return
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = {parameter.name for parameter in parameters}
    yield from (f"{name} has no {word.arg}" for word in call.keywords if word.arg and word.arg not in known)


def _imported(tree: ast.Module) -> dict[str, Any]:
    """The names that stand for modules, or what is imported from them, as far as those are installed."""
    found: dict[str, Any] = {}
    assigned = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for name in MODULES:
        if name not in assigned and (module := _module(name)) is not None:
            found[name] = module
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if _module(alias.name) is not None:
                    found[alias.asname or alias.name.split(".")[0]] = _module(alias.name.split(".")[0])
        elif isinstance(node, ast.ImportFrom) and (module := _module(node.module or "")) is not None:
            for alias in node.names:
                member = getattr(module, alias.name, None) or _module(f"{node.module}.{alias.name}")
                found[alias.asname or alias.name] = member
    return {name: value for name, value in found.items() if value is not None and not hasattr(builtins, name)}


def _module(name: str) -> Any:
    logging.disable()
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _path(node: ast.expr) -> list[str]:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def _resolve(names: dict[str, Any], path: list[str]) -> Any:
    value = names[path[0]]
    for part in path[1:]:
        value = getattr(value, part, None)
        if value is None:
            return None
    return value


def javascript(snippet: str, folder: Path) -> str:
    (folder / "snippet.js").write_text(snippet + "\n")
    return run([tool("node"), "--check", "snippet.js"], folder)


def javascript_module(snippet: str, folder: Path) -> str:
    (folder / "snippet.mjs").write_text(snippet + "\n")
    return run([tool("node"), "--check", "snippet.mjs"], folder)


def php(snippet: str, folder: Path) -> str:
    (folder / "snippet.php").write_text(f"<?php\n{snippet}\n")
    return run([tool("php"), "-l", "snippet.php"], folder)


def ruby(snippet: str, folder: Path) -> str:
    (folder / "snippet.rb").write_text(snippet + "\n")
    return run([tool("ruby"), "-c", "snippet.rb"], folder)


def shell(snippet: str, folder: Path) -> str:
    (folder / "snippet.sh").write_text(snippet + "\n")
    return run([tool("bash"), "-n", "snippet.sh"], folder)
