"""Build the packet path with Cython; fall back to the same files as plain Python.

Everything static is in pyproject.toml.  This file holds what a table cannot say: which modules are compiled
(those with a ``.pxd`` beside them), and that the compiled set is all or nothing, since a compiled module that
imports an interpreted one's types would not load.

    PCAPDIAG_PURE=1    do not compile
    PCAPDIAG_PURE=0    fail where compiling fails, instead of installing the interpreted packet path
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build import build
from setuptools.command.build_ext import build_ext

PACKAGE = Path("pcapdiag")
C_FILES = Path("build", "cython")  # not beside the sources
PURE = os.environ.get("PCAPDIAG_PURE", "")

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": True,
    "wraparound": False,
    "cdivision": False,
    "annotation_typing": False,  # types come from the .pxd; annotations are for mypy and readers
    "initializedcheck": True,
    "embedsignature": True,
}

# Cython's own code for typed buffers goes into one module; in each of ours it doubles what the C compiler reads.
SHARED = "pcapdiag._cyutility"

# Of 1.7 million packets, CPU time: -O1 2.06 s, -O2 1.97 s, -O3 (Python's usual) 1.95 s; to compile: 22, 32, 36 s.
FLAGS = [] if os.name == "nt" else ["-O2", "-g0"]


def packet_path() -> list[Extension]:
    """One extension for every module that has an augmenting ``.pxd``."""
    modules = sorted(path.with_suffix(".py") for path in PACKAGE.glob("**/*.pxd"))
    sources = {".".join(path.with_suffix("").parts): path for path in modules}
    sources[SHARED] = PACKAGE / "_cyutility.c"  # Cython writes it
    return [Extension(name, [str(path)], extra_compile_args=FLAGS) for name, path in sources.items()]


class CleanBuild(build):
    """A build that holds nothing of an earlier one: no module since deleted, nothing compiled when this one is not."""

    def run(self) -> None:
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class AllOrNothing(build_ext):
    """Compile every module of the packet path, or none."""

    def finalize_options(self) -> None:
        super().finalize_options()
        if self.parallel is None:
            self.parallel = os.cpu_count()

    def run(self) -> None:
        wanted = list(self.extensions)
        try:
            self.extensions[:] = self.translated(wanted)
            super().run()
        except Exception as error:
            if PURE == "0":
                raise
            print(f"pcapdiag: cannot compile ({error}); installing the interpreted packet path", file=sys.stderr)
            for extension in wanted:
                Path(self.get_ext_fullpath(extension.name)).unlink(missing_ok=True)
            self.extensions[:] = []

    def translated(self, extensions: list[Extension]) -> list[Extension]:
        """The extensions with C files for sources.  Here, and not on import, since most commands build nothing."""
        from Cython.Build import cythonize

        done: list[Extension] = cythonize(
            extensions,
            compiler_directives=DIRECTIVES,
            build_dir=str(C_FILES),
            nthreads=self.parallel,
            shared_utility_qualified_name=SHARED,
            quiet=True,
        )
        for extension in done:
            extension._needs_stub = False  # setuptools looks at it, and sets it only on the extensions it was given
        return done


setup(
    ext_modules=[] if PURE == "1" else packet_path(),
    cmdclass={"build": CleanBuild, "build_ext": AllOrNothing},
)
