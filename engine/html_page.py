"""What every page has that we write for people: it needs no other file, runs nothing, and can be read and printed.

A page is built as a tree of elements, so that every text of the user's and of a model's is escaped by whoever writes
the tree down: a subject called `<script>` is a name like any other.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.etree.ElementTree import Element, SubElement, tostring

from engine.charts import DARK_COLOURS
from engine.edits import storable

RULES = "default-src 'none'; style-src 'unsafe-inline'"
"""The content security policy: a page runs nothing and asks nobody for anything."""

_DARK_CHARTS = "".join(
    f" svg .c{place} {{ stroke: {colour}; }} svg .b{place} {{ fill: {colour}; }}"
    for place, colour in enumerate(DARK_COLOURS)
)
STYLE = (
    """
:root { color-scheme: light dark; --edited: light-dark(#3451b8, #94aaff); --mark: light-dark(#3451b822, #94aaff33); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.7rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; margin: .6rem 0; }
th, td { text-align: start; padding: .3rem .7rem .3rem 0; border-bottom: 1px solid #8886; vertical-align: top; }
th { font-weight: 600; } td.n, th.n { text-align: end; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; white-space: pre-wrap; } .muted, dt, del { opacity: .7; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
ins { color: var(--edited); background: var(--mark); font-weight: 600; }
.charts { display: flex; flex-wrap: wrap; gap: 1.5rem; } .charts figure { margin: 0; flex: 1 1 24rem; }
svg { width: 100%; height: auto; background: #ffffff; border-radius: 6px; }
svg text { font: 11px system-ui; fill: #333; }
.wide { overflow-x: auto; } .wide td { overflow-wrap: normal; white-space: normal; }
@media screen and (prefers-color-scheme: dark) {
  svg { background: #1c1e24; } svg text { fill: #ccc; } svg .grid { stroke: #3a3d45; } svg .mark { stroke: #8a8d95; }
 """
    + _DARK_CHARTS
    + """
}
@media print {
  :root { color-scheme: light; } body { margin: 0; max-width: none; font-size: 10pt; }
  thead { display: table-header-group; } tr, figure { break-inside: avoid; } h2 { break-after: avoid; }
  .wide { overflow: visible; } .wide table { font-size: 7.5pt; }
}
"""
)


def begin_page(title: str) -> tuple[Element, Element]:
    """A page with its head and its title: the whole tree, and the body to put things into."""
    html = Element("html", {"lang": "en"})
    head = SubElement(html, "head")
    SubElement(head, "meta", {"charset": "utf-8"})
    SubElement(head, "meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"})
    SubElement(head, "meta", {"http-equiv": "Content-Security-Policy", "content": RULES})
    SubElement(head, "title").text = storable(title)
    SubElement(head, "style").text = STYLE
    body = SubElement(html, "body")
    SubElement(body, "h1").text = storable(title)
    return html, body


def written(html: Element) -> bytes:
    """The whole page as a file has it."""
    page: bytes = tostring(html, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + page + b"\n"


def table(
    body: Element, titles: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: Collection[int] = ()
) -> None:
    """A table whose columns `numbers` are aligned as such; any direction of writing within its cells.

    The last cell of a row that is shorter than the head reaches to its end.
    """
    made = SubElement(body, "table")
    line = SubElement(SubElement(made, "thead"), "tr")
    for place, title in enumerate(titles):
        SubElement(line, "th", {"scope": "col", **({"class": "n"} if place in numbers else {})}).text = title
    inside = SubElement(made, "tbody")
    for row in rows:
        line = SubElement(inside, "tr")
        for place, text in enumerate(row):
            reach = len(titles) - place if place == len(row) - 1 else 1
            look = {"class": "n"} if place in numbers and reach == 1 else {"dir": "auto"}
            SubElement(line, "td", look | ({"colspan": str(reach)} if reach > 1 else {})).text = storable(text)


def figure(row: Element, title: str, chart: Element) -> None:
    """A chart with its title above it."""
    made = SubElement(row, "figure")
    SubElement(made, "figcaption").text = storable(title)
    made.append(chart)
