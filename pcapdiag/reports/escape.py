"""Text from packets, made harmless for the place where it is printed.

A User-Agent, a Host or a server name is whatever the sender liked to write: an escape sequence that repaints
the terminal, a bidi override that reorders a line, a formula that a spreadsheet runs.
Nothing is dropped: every dangerous character becomes visible, and a backslash is doubled so that no text can
pass for the escape of another.
"""

from __future__ import annotations

import json
import re
import unicodedata

# Control, format (bidi, zero width, tags), surrogate, private use, unassigned, line and paragraph separator.
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_SURROGATE = re.compile("[\ud800-\udfff]")
# What a spreadsheet takes for a formula, full-width forms included.
_FORMULA = tuple("=+-@\t\r\uff1d\uff0b\uff0d\uff20")

# What means something to Markdown, to the HTML in it, or becomes a link by itself.  What is inert is left alone, so that
# the source reads well: an underscore within a word, a sign before a number, brackets that only close.
_MARKUP = re.compile(
    r"[\\`*\[|$]|~(?! )|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|<(?![ \d=])|&(?=[#A-Za-z])"
    r"|(?<=www)\.|(?<=:)//|^[#>]|^[-+](?=\s|$)|^[-=](?=[-=\s]*$)"
)
_NUMBERED = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
_SUMMONS = re.compile(r"(@|#(?=\d))")


def visible(text: str) -> str:
    r"""For a terminal: one line in which nothing acts (``\x1b``, ``\u202e``); the backslash is doubled."""
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    return "".join(_visible(char) for char in text)


def code(text: str) -> str:
    """A snippet to copy: as :func:`visible`, but with its lines, and backslashes as they are."""
    lines = text.expandtabs(4).splitlines()
    return "\n".join("".join(_code(char) if _acts(char) else char for char in line) for line in lines)


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters of an already visible text."""
    return text if len(text) <= limit else text[: max(limit - 3, 0)] + "..."


def _acts(char: str) -> bool:
    return unicodedata.category(char) in _INVISIBLE


def _visible(char: str) -> str:
    if char == "\\":
        return "\\\\"
    return _code(char) if _acts(char) else char


def _code(char: str) -> str:
    number = ord(char)
    if 0xDC80 <= number <= 0xDCFF:  # an undecodable byte, as surrogateescape keeps it
        number -= 0xDC00
    if number <= 0xFF:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def markdown(text: str) -> str:
    """For Markdown as GitHub reads it: as :func:`visible`, in one line in which nothing is markup.

    A mention and a reference to an issue are looked for in the text behind the markup, where a backslash is gone: an
    empty comment parts them.
    """
    shown = _MARKUP.sub(r"\\\g<0>", visible(text).replace("\\\\", "\\"))
    shown = _NUMBERED.sub(r"\1\\\2", shown)
    return _SUMMONS.sub(r"\1<!-- -->", shown)


def markdown_code(text: str, *, cell: bool = False) -> str:
    """A span of code in Markdown that shows this text and nothing else; ``cell``: in a table, where ``|`` ends it."""
    shown = visible(text).replace("\\\\", "\\")
    if not shown.strip():
        return ""
    if cell:
        shown = shown.replace("|", "\\|")
    fence = "`" * (longest_run(shown, "`") + 1)
    edge = " " if shown.startswith(("`", " ")) or shown.endswith(("`", " ")) else ""
    return f"{fence}{edge}{shown}{edge}{fence}"


def longest_run(text: str, char: str) -> int:
    """How often a character follows on itself at the most."""
    return max((len(run) for run in re.findall(f"{re.escape(char)}+", text)), default=0)


def csv_cell(text: str) -> str:
    """For a spreadsheet: as :func:`visible`, and what would be a formula starts with ``'`` instead."""
    shown = visible(text)
    return "'" + shown if text.lstrip(" ").startswith(_FORMULA) else shown


def json_text(text: str) -> str:
    """A string that JSON can carry everywhere: lone surrogates, which are no Unicode text, become visible."""
    return _SURROGATE.sub(lambda match: _code(match.group()), text)


def json_dumps(value: object, *, indent: int | None = None) -> str:
    """JSON in printable ASCII, so that printing it is harmless too; NaN and infinities are refused."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, indent=indent)
    return text.replace("\x7f", "\\u007f")  # DEL is the one control that ensure_ascii lets through
