"""Where a text goes on after a full stop: what comes last is what is asked."""

from __future__ import annotations

import re

# Chinese and Japanese put no space after theirs.
_STOP = re.compile(r"(?:[.!?…]['\"’”»)\]]*\s+|[。！？]++[’”」』）]*+\s*)(?=\S)")


def last_sentence(text: str) -> str | None:
    """What follows the last full stop, question or exclamation mark within `text`; None where there is none.

    An abbreviation counts as one too: whoever asks has to judge whether what follows makes sense alone.
    """
    stripped = text.strip()
    stops = list(_STOP.finditer(stripped))
    return stripped[stops[-1].end() :] if stops else None
