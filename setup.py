"""Build the packet path with Cython; fall back to the same files as plain Python.

Everything static is in pyproject.toml.  This file holds what a table cannot say: which modules are compiled
(those with a ``.pxd`` beside them) and that the compiled set is all or nothing, since a compiled module that
imports an interpreted one's types would not load.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = Path(__file__).parent

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,
    "wraparound": False,
    "cdivision": False,
    "annotation_typing": False,  # types come from the .pxd; annotations are for mypy and readers
    "initializedcheck": True,
    "embedsignature": True,
}


def packet_path() -> list[Extension]:
    """One extension for every module that has an augmenting ``.pxd``; none if Cython cannot run."""
    if os.environ.get("PCAPDIAG_PURE") == "1":
        return []
    modules = sorted(path.with_suffix(".py") for path in HERE.glob("pcapdiag/**/*.pxd") if path.stem != "__init__")
    try:
        from Cython.Build import cythonize
    except ImportError:
        print("pcapdiag: no Cython, installing the interpreted packet path", file=sys.stderr)
        return []
    sources = [
        Extension(".".join(path.relative_to(HERE).with_suffix("").parts), [str(path.relative_to(HERE))])
        for path in modules
    ]
    extensions: list[Extension] = cythonize(sources, compiler_directives=DIRECTIVES, quiet=True)
    return extensions


class AllOrNothing(build_ext):
    """Compile every module of the packet path, or none."""

    def run(self) -> None:
        try:
            super().run()
        except Exception as error:
            print(f"pcapdiag: the C compiler failed ({error}); installing the interpreted packet path", file=sys.stderr)
            for output in self.get_outputs():
                Path(output).unlink(missing_ok=True)
            for extension in self.extensions:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions = []


setup(ext_modules=packet_path(), cmdclass={"build_ext": AllOrNothing})
