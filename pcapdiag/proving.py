"""The packets behind a diagnosis: a connection packet by packet, and captures of the evidence alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pcapdiag.errors import UsageError
from pcapdiag.evidence.choosing import wanted
from pcapdiag.evidence.citing import citations, worth_a_ladder
from pcapdiag.evidence.extracting import Extraction
from pcapdiag.evidence.ladders import ladders_of
from pcapdiag.evidence.spooling import rereadable
from pcapdiag.model.evidence import ConnectionReport
from pcapdiag.model.report import Finding, Report
from pcapdiag.model.words import Cause
from pcapdiag.packets.source import Progress
from pcapdiag.pipeline import (
    Options,
    Paths,
    Tables,
    checked,
    files_called,
    judged,
    named,
    names_of,
    read_tables,
)
from pcapdiag.rules.rule import Desk


def post_mortem(paths: Paths, options: Options | None = None, progress: Progress | None = None) -> Report:
    """Diagnose captures, taken as one, with what a report draws: charts, and a ladder of each connection first cited.

    The files are read twice; standard input is kept in a temporary file for that.

    Args:
        paths: a path, or several; ``-`` is standard input.
        options: which connections; all by default.
        progress: called with the bytes read and the bytes in all (None where unknown).

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: an option makes no sense.
    """
    options = replace(options or Options(), with_figures=True)
    checked(options)
    with rereadable(named(paths)) as names:
        again = tuple(names)
        tables = files_called(read_tables(again, progress), names)
        report = judged(again, tables, options)
        figures = report.figures
        assert figures is not None  # asked for
        new_names = names_of(tables) if options.redact else None
        starts = tables.counters.file_starts
        if new_names is not None:
            starts = [(ahead, new_names.files[path]) for ahead, path in starts]
        ladders = ladders_of(
            again,
            tables.connections,
            worth_a_ladder(report.findings),
            citations(report.findings),
            Desk(starts).frame,
            pools={bar.number: bar.pool for bar in figures.bars if bar.pool is not None},
            ends_at=end_of(tables),
            progress=progress,
        )
    if new_names is not None:
        ladders = tuple(map(new_names.ladder, ladders))
    return replace(report, figures=replace(figures, ladders=ladders))


def connection(
    names: Mapping[str, str], number: int, progress: Progress | None = None, *, redact: bool = False
) -> ConnectionReport:
    """Tell of one connection, packet by packet.

    Args:
        names: paths that can be read twice, each with what to call it.
        number: the connection's, as ``pcapdiag connections`` lists it.
        redact: addresses, hosts and files under other names, as in a redacted report.

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: there is no such connection.
    """
    paths = tuple(names)
    tables = files_called(read_tables(paths, progress), names)
    report = judged(paths, tables, Options(with_connections=True, redact=redact))
    check_numbers([number], tables)
    aliases = names_of(tables) if redact else None
    starts = tables.counters.file_starts
    if aliases is not None:
        starts = [(ahead, aliases.files[path]) for ahead, path in starts]
    row = next(row for row in report.connections if row.number == number)
    ladders = ladders_of(
        paths,
        tables.connections,
        [number],
        citations(report.findings),
        Desk(starts).frame,
        pools={number: row.pool} if row.pool else {},
        ends_at=end_of(tables),
        progress=progress,
    )
    if aliases is not None:
        ladders = tuple(map(aliases.ladder, ladders))
    cited = [one for one in report.findings if any(piece.connection == number for piece in one.evidence)]
    return ConnectionReport(
        capture=report.capture,
        row=row,
        pool=next((pool for pool in report.pools if pool.id == row.pool), None),
        ladder=ladders[0],
        cited=tuple(cited),
        pool_findings=tuple(one for one in report.findings if row.pool in one.pools and one not in cited),
        version=report.version,
    )


def end_of(tables: Tables) -> int:
    """When the capture ended; a clock may have stepped back."""
    return max(tables.counters.last_at or 0, int(tables.connections.last_at.max()))


def extraction(
    names: Mapping[str, str],
    found: Sequence[str],
    numbers: Sequence[int],
    options: Options,
    *,
    evidence_only: bool = False,
    made_by: str = "pcapdiag extract",
    progress: Progress | None = None,
) -> Extraction:
    """Choose connections to be written to a capture of their own.

    Args:
        names: paths that can be read twice, each with what to call it.
        found: findings by code or name: all connections of their pools, so that the same follows from them alone.
        numbers: connections by number.
        options: which connections of the capture to diagnose.
        evidence_only: of findings only the connections that they cite.
        made_by: the command, for the file's comment.

    Raises:
        CaptureError: a file cannot be read, or holds nothing that can be analysed.
        UsageError: there is no such finding or connection.
    """
    paths = tuple(names)
    tables = read_tables(paths, progress)
    report = judged(paths, tables, replace(options, with_connections=True))
    findings = [one for word in found for one in named_finding(report, word)]
    check_numbers(numbers, tables)
    chosen = set(numbers)
    chosen.update(one.connection for finding in findings for one in finding.evidence)
    if not evidence_only:
        pools = {pool for finding in findings for pool in judged_by(finding, report)}
        chosen.update(row.number for row in report.connections if row.pool in pools)
    if not chosen:
        raise UsageError(f"{', '.join(found)} cites no connection; name some with --connection")
    return Extraction(
        paths=paths,
        shown=names,
        chosen=wanted(tables.connections, chosen),
        cited=citations(findings or report.findings),
        frame_of=Desk(tables.counters.file_starts).frame,
        ends_at=end_of(tables) if findings and not evidence_only else None,
        made_by=made_by,
        of=len(tables.connections),
    )


def judged_by(finding: Finding, report: Report) -> set[str]:
    """Pools that decide a finding: its own, and of a limit on connections those in which its client is the server."""
    pools = set(finding.pools)
    if any(claim.cause == Cause.MAX_CONNS_CAP for claim in finding.causes):
        clients = {pool.client_ip for pool in report.pools if pool.id in pools}
        pools.update(pool.id for pool in report.pools if pool.server.ip in clients)
    return pools


def named_finding(report: Report, word: str) -> list[Finding]:
    """The findings of that code or name.

    Raises:
        UsageError: the report has none.
    """
    same = [one for one in report.findings if word in (one.code, one.name)]
    if not same:
        there = ", ".join(dict.fromkeys(f"{one.code} ({one.name})" for one in report.findings)) or "none"
        raise UsageError(f"there is no finding {word} in this capture; it has {there}")
    return same


def check_numbers(numbers: Sequence[int], tables: Tables) -> None:
    """Raise a UsageError when the capture has no such connection."""
    count = len(tables.connections)
    for number in numbers:
        if not 1 <= number <= count:
            has = "connection 1 alone" if count == 1 else f"connections 1 to {count:,}"
            raise UsageError(f"there is no connection {number}: the capture has {has}; pcapdiag connections lists them")
