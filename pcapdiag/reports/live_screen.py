"""The screen of ``pcapdiag live``: a LiveView drawn into exactly the cells of a terminal.

What matters most comes first and stays longest: each line has a rank, and a low screen keeps the best of them.
Nothing wraps, nothing scrolls the terminal; what is cut ends with an ellipsis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pcapdiag.model.live import LiveView
from pcapdiag.reports import live_findings, live_pools, text
from pcapdiag.reports.layout import MAX_WIDTH
from pcapdiag.reports.live_header import header
from pcapdiag.reports.live_lines import Line, cut, fitting, words

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.text import Text

PAGES = ("overview", "finding", "pools")
POOLS_FIRST = 3  # rows of the table that matter more than what is still missing
HELP = (
    ("q, Ctrl-C", "end, and print the report"),
    ("space", "hold the picture still; the capture goes on"),
    ("up, down, page up, page down", "scroll"),
    ("f", "a finding in full: what to change, and the proof"),
    ("1 to 9, left, right", "which finding"),
    ("p", "all pools"),
    ("tab", "next page;  esc: back to the overview"),
    ("?", "this page"),
    ("", ""),
    ("pool", "connections of one client host to one service"),
    ("severity/confidence", "cost if true / support by these packets"),
    ("to be sure", "what is missing still, and how to get it"),
    ("req/conn", "requests per connection: 1.0 is no reuse"),
    ("closes first", "who sent the first FIN or RST"),
    ("sockets", "states that packets imply, as ss lists them"),
)


@dataclass(frozen=True)
class Chosen:
    """What the person at the keyboard looks at."""

    page: str = "overview"  # or "finding", "pools", "help"
    finding: int = 0  # of those above information, from 0
    scroll: int = 0  # lines, or pools
    paused: bool = False

    def after(self, key: str, view: LiveView, width: int, height: int) -> Chosen:
        """What a key turns this into; a key without a meaning changes nothing."""
        count = 0 if view.report is None else len(live_findings.formed(view.report))
        if key == "space":
            return replace(self, paused=not self.paused)
        if key == "tab":
            at = PAGES.index(self.page) if self.page in PAGES else -1
            return replace(self, page=PAGES[(at + 1) % len(PAGES)], scroll=0)
        pages = {"f": "finding", "enter": "finding", "p": "pools", "?": "help", "h": "help", "esc": "overview"}
        if key in pages:
            back = pages[key] == self.page
            return replace(self, page="overview" if back else pages[key], scroll=0)
        if len(key) == 1 and key in "123456789" and int(key) <= count:
            return replace(self, page="finding", finding=int(key) - 1, scroll=0)
        if key in ("left", "right") and self.page == "finding" and count:
            return replace(self, finding=(self.finding + (1 if key == "right" else -1)) % count, scroll=0)
        page = max(height - 8, 1)
        far = {"up": -1, "down": 1, "k": -1, "j": 1, "pgup": -page, "pgdn": page, "home": -(10**9), "end": 10**9}
        if key in far:
            wanted = replace(self, scroll=max(self.scroll + far[key], 0))
            return replace(wanted, scroll=min(wanted.scroll, limit(view, width, height, wanted)))
        return self


@dataclass(frozen=True)
class Screen:
    """A view and what is chosen of it, laid out anew at each size that a rich console has."""

    view: LiveView
    chosen: Chosen
    width: int | None = None  # None: the console's
    height: int | None = None

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.text import Text

        width, height = self.width or options.max_width, self.height or options.height or console.height
        lines, _ = _lines(self.view, self.chosen, console, width, height)
        yield Text("\n", end="").join(lines)


def screen(view: LiveView, width: int | None = None, height: int | None = None, *, chosen: Chosen | None = None) -> Screen:
    """What to draw; ``width`` and ``height`` in cells are the console's unless they are given."""
    return Screen(view, chosen or Chosen(), width, height)


def limit(view: LiveView, width: int, height: int, chosen: Chosen) -> int:
    """How far that page can be scrolled."""
    from rich.console import Console

    return _lines(view, chosen, Console(width=width, height=height), width, height)[1]


def _lines(view: LiveView, chosen: Chosen, console: Console, width: int, height: int) -> tuple[list[Text], int]:
    """Exactly ``height`` lines, and how far the page can be scrolled."""
    top = list(header(view, paused=chosen.paused))
    if chosen.page == "overview":
        body, limit_ = _overview(view, chosen, console, width, height - len(top) - 1)
    else:
        room = max(height - len(top) - 2, 0)
        whole = list(_page(view, chosen, console, width))
        limit_ = max(len(whole) - max(room - 1, 0), 0)
        at = min(chosen.scroll, limit_)
        body = [words(), *_head_and_rest(chosen.page, whole, at, room)]
    shown = [line.text for line in top] + body
    shown = (
        shown[: height - 1]
        + [words() for _ in range(height - 1 - len(shown))]
        + [_keys(view, chosen, width, scrolls=limit_ > 0)]
    )
    return [cut(line, width) for line in shown[-height:]], limit_


def _head_and_rest(page: str, whole: list[Text], at: int, room: int) -> list[Text]:
    """A page scrolled by so many lines; the heading of a table stays."""
    head = whole[:1] if page == "pools" else []
    return [*head, *whole[len(head) + at :][: room - len(head)]]


def _overview(view: LiveView, chosen: Chosen, console: Console, width: int, height: int) -> tuple[list[Text], int]:
    pools = live_pools.sorted_pools(view)
    table = live_pools.PoolTable.at(width, pools)
    sockets = live_pools.states(view.states, width)
    above = list(live_findings.findings(view, console, width))
    blank = Line(8, words())
    table_head = [Line(2, words()), Line(3, table.heading())] if pools else []
    rows = [Line(2 + at if at < POOLS_FIRST else 6 + at, words()) for at in range(len(pools))]
    below = [Line(3, line) for line in sockets] if any(any(end.values()) for end in view.states.values()) else []
    lines = [blank, *above, blank, *table_head, *rows, blank, *below]
    kept = fitting(lines, height)
    begin = 2 + len(above) + len(table_head)
    room = sum(begin <= at < begin + len(rows) for at in kept)
    limit_ = len(pools) - room
    first = min(chosen.scroll, limit_)
    marked, keeping = _marked(view), set(kept)
    out = []
    for at in kept:
        if pools and at == begin - len(table_head):
            out.append(_pools_head(first, room, len(pools), chosen.scroll > 0))
        elif begin <= at < begin + len(rows):
            out.append(table.row(pools[first + sum(begin <= other < at for other in kept)], marked))
        else:
            line = lines[at]
            out.append(line.text if line.whole is None or at + 1 in keeping else line.whole)
    spare = height - len(out)
    bottom = sum(1 for at in kept if at >= begin + len(rows) + 1)
    # The sockets stand on the ground, so that they do not move as findings form.
    return out[: len(out) - bottom] + [words() for _ in range(spare)] + out[len(out) - bottom :], limit_


def _pools_head(first: int, room: int, count: int, scrolled: bool) -> Text:
    where = ""
    if room < count:
        where = f"  {first + 1} to {first + room} of {count:,}" if scrolled else f"  {count - room:,} more below"
    return words((f"{count:,} POOL{'' if count == 1 else 'S'}", "head"), (where, "dim"))


def _marked(view: LiveView) -> frozenset[str]:
    """Pools with findings."""
    found = [] if view.report is None else live_findings.formed(view.report)
    return frozenset(name for finding in found for name in finding.pools)


def _page(view: LiveView, chosen: Chosen, console: Console, width: int) -> Iterator[Text]:
    """The lines of a page that is scrolled as a whole."""
    from rich.text import Text

    if chosen.page == "help":
        widest = max(len(key) for key, _ in HELP)
        for key, means in HELP:
            yield words((key.ljust(widest + 2), "strong"), means)
    elif chosen.page == "pools":
        pools = live_pools.sorted_pools(view)
        table = live_pools.PoolTable.at(width, pools)
        marked = _marked(view)
        yield table.heading()
        for both in pools:
            yield table.row(both, marked)
    else:
        report = view.report
        found = [] if report is None else live_findings.formed(report)
        if report is None or not found:
            yield words("Nothing wrong has been found so far. What would be wrong is looked for all the while.")
            return
        at = min(chosen.finding, len(found) - 1)
        yield words((f"FINDING {at + 1} OF {len(found)}", "head"), ("  as the report at the end shows it", "dim"))
        yield words()
        shown = text.one_finding(report, found[at], width=min(width, MAX_WIDTH), color=True)
        for line in shown.rstrip("\n").split("\n"):
            # Escapes in it are the page's own: what came from packets is escaped.
            yield Text.from_ansi(line, end="")


def _keys(view: LiveView, chosen: Chosen, width: int, *, scrolls: bool) -> Text:
    """The keys that mean something now."""
    found = 0 if view.report is None else len(live_findings.formed(view.report))
    pairs = [("q", "quit"), ("space", "go on" if chosen.paused else "pause")]
    if chosen.page == "overview":
        pairs += [("f", "finding in full")] if found else []
        pairs += [("p", "all pools")] if view.pools else []
        pairs += [("up/down", "scroll")] if scrolls else []
        pairs += [("?", "help")]
    else:
        pairs += [("esc", "back")]
        pairs += [("up/down", "scroll")] if scrolls else []
        pairs += [("left/right", "other finding")] if chosen.page == "finding" and found > 1 else []
        pairs += [("?", "help")] if chosen.page != "help" else []
    line = words()
    for key, means in pairs:
        more = words("  " if line.cell_len else "", (key, "strong"), (f" {means}", "dim"))
        if line.cell_len + more.cell_len > width:
            break
        line += more
    return line
