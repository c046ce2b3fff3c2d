#!/usr/bin/env python3
"""Write docs/TABLES.md, and the rows of the tables in the JSON Schema, from the tables' own declarations.

scripts/make_table_pages.py            write what changed
scripts/make_table_pages.py --check    write nothing; fail when something is stale
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pcapdiag.interchange.columns import Column, Kind, Layout, described
from pcapdiag.interchange.layouts import LAYOUTS
from pcapdiag.model.words import Cause, Knob, Protocol

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "TABLES.md"
SCHEMA = ROOT / "pcapdiag" / "reports" / "schema" / "pcapdiag-1.schema.json"

# Vocabularies that the JSON Schema has already.
KNOWN = {
    tuple(map(str, Cause)): "#/$defs/cause/properties/cause",
    tuple(map(str, Knob)): "#/$defs/knob",
    tuple(word.word for word in Protocol): "#/$defs/protocol",
}
# The name of a row's definition in the schema; a connection's is written by hand, it is nested.
ROWS = {"exchanges": "exchange", "findings": "finding_row"}

HEAD = """\
<!-- written by scripts/make_table_pages.py: change the declarations in pcapdiag/interchange/, not this page -->

# Tables for other programs

| command | table | a row is |
|---|---|---|
| `pcapdiag connections` | [connections](#connections) | a connection |
| `pcapdiag exchanges` | [exchanges](#exchanges) | a request with its response |
| `pcapdiag findings` | [findings](#findings) | a finding, cause and setting |

`--format csv`, `ndjson`, `parquet` or `arrow` prints a table, `-o FILE` writes it to a file. Parquet and Arrow need pyarrow: `pip install 'pcapdiag[arrow]'`.
In Python the same tables are `pcapdiag.read(path).connections`, `.exchanges` and `pcapdiag.findings(report)`: [PYTHON.md](PYTHON.md).
`pcapdiag columns TABLE` prints what stands here.

Columns keep their names and types; new ones come last. Null means that something did not happen or was not captured; 0 is a measured zero.

## Types

| type | CSV | NDJSON | Arrow and Parquet | NumPy |
|---|---|---|---|---|
| number | digits | number | `int64` | `int64`; a masked array where it may be null |
| seconds | nine decimals | number | `float64` | `float64`, NaN for null |
| time | RFC 3339 in UTC, nine decimals | the same | `timestamp[ns, UTC]` | `datetime64[ns]`, NaT for null |
| flag | `true`, `false` | `true`, `false` | `bool` | `bool`; a masked array where it may be null |
| word, text | text | string | `dictionary<string>` | `object`: `str` or None |
| numbers | with `\\|` between | list | `list<int64>` | `object`: lists |
| texts | with `\\|` between | list | `list<string>` | `object`: lists |
| object | JSON | object | `string`, JSON in it | `object`: JSON in a `str` |

- **Null** is an empty cell in CSV and `null` in NDJSON.
- **CSV** follows RFC 4180, with lines that end in CRLF. Text from packets is made harmless: controls and line ends as `\\x0a`, a backslash as `\\\\`, and what a spreadsheet would take for a formula begins with `'`. The other formats carry it as it was on the wire.
- **NDJSON** has a column per key, except that connections are nested as in the JSON report: `#/$defs/connection` of the JSON Schema, with `client.ip`, `frames.first` and so on. Rows of the others are `#/$defs/exchange` and `#/$defs/finding_row`.
- **Arrow** is an IPC file (Feather, version 2), Parquet is compressed with zstd in row groups of 65,536 rows. Fields carry their meaning as metadata, `description`, and their `unit`.
- **Durations** are differences of times of the capture; one may be negative where its clock stepped back. Only `idle_gap_s` is null then.
- **Frame numbers** count from 1 within a file, as Wireshark shows them. Once several files are read as one capture, the `_file` columns name the file; in the CSV of connections the frames are then `file:number`.
"""


def page() -> str:
    """docs/TABLES.md."""
    return "\n".join([HEAD, *(section(layout) for layout in LAYOUTS.values())])


def section(layout: Layout) -> str:
    lines = [f"## {layout.name}", "", layout.row, "", "| column | type | meaning |", "|---|---|---|"]
    for column in layout.columns:
        lines.append(f"| `{column.name}` | {column.kind.value} | {described(column).replace('|', chr(92) + '|')} |")
    return "\n".join([*lines, ""])


def schema() -> dict[str, Any]:
    """The JSON Schema with the tables' rows in it."""
    whole: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for name, row in ROWS.items():
        layout = LAYOUTS[name]
        whole["$defs"][row] = {
            "type": "object",
            "description": f"A line of pcapdiag {name} --format ndjson",
            "properties": {column.name: member(column) for column in layout.columns},
            "required": layout.names,
            "additionalProperties": False,
        }
    return whole


def member(column: Column) -> dict[str, Any]:
    """A column as a property."""
    kinds: dict[Kind, dict[str, Any]] = {
        Kind.NUMBER: {"type": "integer"},
        Kind.SECONDS: {"type": "number"},
        Kind.TIME: {"$ref": "#/$defs/time"},
        Kind.FLAG: {"type": "boolean"},
        Kind.WORD: {"$ref": KNOWN[column.words]} if column.words in KNOWN else {"enum": list(column.words)},
        Kind.TEXT: {"type": "string"},
        Kind.OBJECT: {"$ref": "#/$defs/measures"},
        Kind.NUMBERS: {"type": "array", "items": {"type": "integer"}},
        Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
    }
    is_a = kinds[column.kind]
    if column.nullable:
        if "enum" in is_a:
            is_a = {"enum": [*is_a["enum"], None]}
        elif isinstance(is_a.get("type"), str) and "items" not in is_a:
            is_a = {"type": [is_a["type"], "null"]}
        else:
            is_a = {"anyOf": [is_a, {"type": "null"}]}
    return {**is_a, "description": column.meaning + (f"; null: {column.null}" if column.null else "")}


def written() -> dict[Path, str]:
    """Each file with what it should hold."""
    return {PAGE: page(), SCHEMA: json.dumps(schema(), indent=2) + "\n"}


def stale() -> list[str]:
    """The files that hold something else."""
    return [
        str(path.relative_to(ROOT))
        for path, text in written().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail on a difference")
    options = parser.parse_args(arguments)
    problems = stale()
    for name in problems:
        print(f"{name} is stale; scripts/make_table_pages.py writes it again" if options.check else name)
        if not options.check:
            (ROOT / name).write_text(written()[ROOT / name], encoding="utf-8")
    return int(options.check and bool(problems))


if __name__ == "__main__":
    sys.exit(main())
