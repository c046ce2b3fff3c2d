"""A printed snippet put into a program where a user would put it, not a character changed.

The program marks with comments what is wrong and where the snippet belongs::

    # fix: from here
    session = requests.Session()      <- made anew for each request: taken out
    # fix: to here

Where the snippet's own words send it elsewhere ("once, at package level") a line ``fix: paste here`` marks that place;
else it takes the place of what is taken out.  Lines are indented as the mark is.  That is all a reader of a report does
by hand, but for imports: Go's are written again as goimports would, the others' stand at the top of the file.
"""

from __future__ import annotations

import re

from lab.errors import LabError

# What Go's programs and snippets here may use; a package is called by the last word of its path.
GO_PACKAGES = ("context", "crypto/tls", "errors", "fmt", "io", "log", "net", "net/http", "os", "time")
FROM, TO, PASTE = "fix: from here", "fix: to here", "fix: paste here"


def splice(source: str, snippet: str) -> str:
    """The program with the snippet pasted and what is marked as wrong taken out.

    Raises:
        LabError: the marks are missing, or not in pairs.
    """
    if not snippet.strip():
        raise LabError("there is no snippet to paste")
    elsewhere = PASTE in source
    kept: list[str] = []
    wrong = False
    blocks = 0
    for line in source.splitlines():
        if FROM in line or TO in line:
            if wrong is (FROM in line):
                raise LabError(f"marks are not in pairs: {line.strip()}")
            wrong = not wrong
            blocks += wrong
            if wrong and not elsewhere:
                kept += indented(snippet, line)
        elif PASTE in line:
            kept += indented(snippet, line)
        elif not wrong:
            kept.append(line)
    if wrong or not blocks:
        raise LabError(f"the program must mark what is wrong with '{FROM}' and '{TO}'")
    if blocks > 1 and not elsewhere:
        raise LabError(f"several blocks are wrong and no '{PASTE}' says where the snippet belongs")
    return "\n".join(kept) + "\n"


def indented(snippet: str, mark: str) -> list[str]:
    """The snippet's lines, as far in as the mark is."""
    margin = mark[: len(mark) - len(mark.lstrip())]
    return [f"{margin}{line}" if line else "" for line in snippet.splitlines()]


def go_imports(source: str) -> str:
    """A Go file with its import block naming the packages that it uses, as goimports would write it."""
    code = re.sub(r"//.*", "", re.sub(r"(?ms)^import \(.*?^\)\n", "", source))
    used = [path for path in GO_PACKAGES if re.search(rf"(?<![.\w\"]){path.rpartition('/')[2]}\.[A-Z]", code)]
    block = "import (\n" + "".join(f'\t"{path}"\n' for path in used) + ")\n"
    return re.sub(r"(?ms)^import \(.*?^\)\n", lambda _: block, source, count=1)
