"""What a table for other programs is: columns with a type, a unit and a meaning, declared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

LONG = 15  # words of a vocabulary that is not spelled out: causes and knobs have pages of their own


class Kind(StrEnum):
    """The type of a column."""

    NUMBER = "number"
    SECONDS = "seconds"  # held as nanoseconds
    TIME = "time"  # held as nanoseconds since the epoch
    FLAG = "flag"
    WORD = "word"  # one of a closed vocabulary
    TEXT = "text"  # what came from packets is as it was on the wire
    OBJECT = "object"  # an object as JSON text
    NUMBERS = "numbers"
    TEXTS = "texts"

    @property
    def arrow(self) -> str:
        """Arrow's name of the type."""
        return _ARROW[self]


_ARROW = {
    Kind.NUMBER: "int64",
    Kind.SECONDS: "float64",
    Kind.TIME: "timestamp[ns, UTC]",
    Kind.FLAG: "bool",
    Kind.WORD: "dictionary<string>",
    Kind.TEXT: "dictionary<string>",
    Kind.OBJECT: "string",
    Kind.NUMBERS: "list<int64>",
    Kind.TEXTS: "list<string>",
}


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: in lower case with underscores; durations end in ``_s``, moments in ``_at``, flags are adjectives.
        kind: its type.
        meaning: a phrase for the documentation.
        null: when it is null, as a phrase; empty for a column that never is.
        unit: "s", "bytes", ... where it has one.
        words: the vocabulary of a ``WORD``.
    """

    name: str
    kind: Kind
    meaning: str
    null: str = ""
    unit: str = ""
    words: tuple[str, ...] = ()

    @property
    def nullable(self) -> bool:
        return bool(self.null)


@dataclass(frozen=True)
class FrameOf:
    """In JSON: a frame number, with its file where there are several."""

    number: str
    file: str


@dataclass(frozen=True)
class Renamed:
    """In JSON: another word, number or truth for each word of a column."""

    column: str
    literals: Mapping[str, str]


# How a row is nested in JSON: key -> column, or an object of its own.
Shape: TypeAlias = "Mapping[str, str | FrameOf | Renamed | Shape]"


@dataclass(frozen=True)
class Layout:
    """A table: its name, what a row is, its columns in order.

    Attributes:
        name: the command that prints it.
        row: what a row stands for, and the order of rows; sentences.
        columns: in order; new ones come last.
        shape: how a row looks in JSON; empty where each column is a key.
        joined: frame columns that CSV writes as ``file:number`` once several files are read, with their file columns.
    """

    name: str
    row: str
    columns: tuple[Column, ...]
    shape: Shape = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    def column(self, name: str) -> Column:
        """The declaration of a column.

        Raises:
            KeyError: there is none of that name; the message lists those there are.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}; its columns are {', '.join(self.names)}")


def both_sides(columns: Sequence[Column]) -> tuple[Column, ...]:
    """A column for the client and one for the server of each; ``{side}`` in the meaning is filled in."""
    return tuple(
        Column(
            f"{side}_{column.name}",
            column.kind,
            column.meaning.format(side=side),
            column.null,
            column.unit,
            column.words,
        )
        for column in columns
        for side in ("client", "server")
    )


def described(column: Column) -> str:
    """The meaning as a phrase: with the unit, the vocabulary where the meaning does not name it, and the nulls."""
    parts = [column.meaning]
    if column.unit and column.kind is not Kind.SECONDS and column.unit not in column.meaning:
        parts.append(f"in {'seconds' if column.unit == 's' else column.unit}")
    if len(column.words) <= LONG and any(word not in column.meaning for word in column.words):
        parts.append("one of " + ", ".join(column.words))
    if column.null:
        parts.append(f"null: {column.null}")
    return "; ".join(parts)
