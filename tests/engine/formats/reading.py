"""Short ways to read text as a file and to see what came of it."""

from __future__ import annotations

import json

from engine.edits import Relation
from engine.formats.imported import Imported
from engine.formats.registry import ReadOptions, read_source
from engine.formats.source import Source

CAPITAL = Relation("r1", "Capital of", ("The capital of {} is", "Q: What is the capital of {}? A:"))
RIVER = Relation("r2", "river", ("The river through {} is",))
RELATIONS = {relation.id: relation for relation in (CAPITAL, RIVER)}


def read_text(text: str | bytes, format: str | None = None, name: str = "facts", **options: object) -> Imported:
    """What `read_edits` gives for a file called `name` with this content."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    chosen = ReadOptions(**options)  # type: ignore[arg-type]
    return read_source(Source.decode(name, data, chosen.encoding), format, relations=RELATIONS, options=chosen)


def read_json(value: object, format: str | None = None, **options: object) -> Imported:
    """The same for a value written as JSON."""
    return read_text(json.dumps(value), format, "facts.json", **options)


def reasons(imported: Imported) -> list[tuple[int, str, str]]:
    """Row, column and reason of each rejection."""
    return [(rejection.row, rejection.column, rejection.reason) for rejection in imported.rejections]
