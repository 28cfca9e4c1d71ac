"""Plain retrieval: the edit whose prompt is nearest to the question is put before it, whatever is asked.

The baseline that every editor has to beat (arXiv 2503.05683): an untuned encoder, no gate but an optional cosine.
"""

from __future__ import annotations

from engine.editors.nearest_edit import NearestEditEditor, NearestEditPack
from engine.editors.settings.plain_retrieval import PlainRetrievalSettings


class PlainRetrievalPack(NearestEditPack):
    """Edits and the encoder's vectors of their prompts."""

    editor = "plain-retrieval"
    form = "{fact} "

    @property
    def threshold(self) -> float:
        """The cosine from which a question meets its nearest edit."""
        return float(self.settings.threshold)


class PlainRetrievalEditor(NearestEditEditor):
    """Editing by the nearest edit before every question."""

    name = "plain-retrieval"
    pack = PlainRetrievalPack

    def __init__(self, settings: PlainRetrievalSettings | None = None) -> None:
        super().__init__(settings or PlainRetrievalSettings())
