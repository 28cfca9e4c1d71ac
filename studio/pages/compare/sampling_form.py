"""How answers are decoded: the engine's own settings, for both models alike."""

from __future__ import annotations

from dataclasses import fields

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QCheckBox, QDoubleSpinBox, QHBoxLayout, QSpinBox, QVBoxLayout, QWidget

from engine.decoding import MAX_TOKENS, Decoding
from studio.theme import SPACE
from studio.widgets.card import Card
from studio.widgets.fields import named
from studio.widgets.labels import hint
from studio.words import tr

_HELP = {field.name: str(field.metadata["help"]) for field in fields(Decoding)}


class SamplingForm(Card):
    """Fields of a Decoding; what does nothing in a greedy answer cannot be entered."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent=parent)
        self.temperature = QDoubleSpinBox()
        self.temperature.setRange(0.0, 10.0)
        self.temperature.setSingleStep(0.1)
        self.temperature.setSpecialValueText(tr("0: greedy"))
        self.top_p = QDoubleSpinBox()
        self.top_p.setRange(0.01, 1.0)
        self.top_p.setSingleStep(0.05)
        self.top_k = QSpinBox()
        self.top_k.setRange(0, 100_000)
        self.top_k.setSpecialValueText(tr("0: all"))
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.max_new_tokens = QSpinBox()
        self.max_new_tokens.setRange(0, MAX_TOKENS)
        self.max_new_tokens.setSpecialValueText(tr("automatic"))
        self.first_sentence = QCheckBox(tr("End with the first sentence"))
        self.first_sentence.setAccessibleName(self.first_sentence.text())
        self.first_sentence.setToolTip(_HELP["first_sentence"])
        self.first_sentence.setAccessibleDescription(_HELP["first_sentence"])
        row = QHBoxLayout()
        row.setSpacing(2 * SPACE)
        for key, name, box, unit in (
            ("temperature", tr("Temperature"), self.temperature, ""),
            ("top_p", tr("Top-p"), self.top_p, ""),
            ("top_k", tr("Top-k"), self.top_k, tr(" tokens")),
            ("seed", tr("Seed"), self.seed, ""),
            ("max_new_tokens", tr("Longest answer"), self.max_new_tokens, tr(" tokens")),
        ):
            box.setSuffix(unit)
            box.setKeyboardTracking(False)
            box.lineEdit().setTextMargins(SPACE, 0, 0, 0)
            row.addLayout(named(name, box, help=_HELP[key]), 1)
            box.valueChanged.connect(self._tell)
        self.body.addLayout(row)
        below = QVBoxLayout()
        below.setSpacing(SPACE // 2)
        below.addWidget(self.first_sentence)
        below.addWidget(
            hint("Both models draw with the same random numbers, so where their answers differ it is the edits' doing.")
        )
        self.body.addLayout(below)
        self.first_sentence.toggled.connect(self._tell)
        self.show_decoding(Decoding())

    def decoding(self) -> Decoding:
        """What was chosen."""
        return Decoding(
            temperature=round(self.temperature.value(), 2),
            top_p=round(self.top_p.value(), 2),
            top_k=self.top_k.value(),
            seed=self.seed.value(),
            max_new_tokens=self.max_new_tokens.value(),
            first_sentence=self.first_sentence.isChecked(),
        )

    def show_decoding(self, decoding: Decoding) -> None:
        """Show `decoding`."""
        with QSignalBlocker(self):
            self.temperature.setValue(decoding.temperature)
            self.top_p.setValue(decoding.top_p)
            self.top_k.setValue(decoding.top_k)
            self.seed.setValue(decoding.seed)
            self.max_new_tokens.setValue(decoding.max_new_tokens)
            self.first_sentence.setChecked(decoding.first_sentence)
            self._tell()

    def _tell(self) -> None:
        greedy = self.temperature.value() == 0
        for box in (self.top_p, self.top_k, self.seed):
            box.setEnabled(not greedy)
        self.changed.emit()


def in_words(decoding: Decoding) -> str:
    """“Greedy”, or what is drawn and how."""
    parts = [tr("Greedy")]
    if not decoding.greedy:
        parts = [tr("Temperature {temperature}", temperature=f"{decoding.temperature:g}")]
        if decoding.top_p < 1:
            parts.append(tr("top-p {top_p}", top_p=f"{decoding.top_p:g}"))
        if decoding.top_k:
            parts.append(tr("top-k {top_k}", top_k=f"{decoding.top_k:,}"))
        parts.append(tr("seed {seed}", seed=decoding.seed))
    if decoding.max_new_tokens:
        parts.append(tr("{number} tokens", number=decoding.max_new_tokens))
    return ", ".join(parts)
