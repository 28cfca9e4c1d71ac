"""What every page has that we write for people: it needs no other file, runs nothing, and can be read and printed."""

from __future__ import annotations

RULES = "default-src 'none'; style-src 'unsafe-inline'"
"""The content security policy: a page runs nothing and asks nobody for anything."""

STYLE = """
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
@media print {
  :root { color-scheme: light; } body { margin: 0; max-width: none; font-size: 10pt; }
  thead { display: table-header-group; } tr, figure { break-inside: avoid; } h2 { break-after: avoid; }
}
"""
