"""What is chosen before a training: model, device, editor, layer, encoder, seed."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from PySide6.QtCore import Signal
from PySide6.QtGui import QValidator
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QSpinBox, QWidget

from studio.model_jobs import Machine, ModelSource
from studio.theme import SPACE
from studio.trainer import TrainingChoices
from studio.widgets.card import Card
from studio.widgets.fields import named
from studio.widgets.files import choose_folder
from studio.widgets.labels import hint

EMBEDDED = "embedded"
_FOLDER = "\x00folder"
_MIDDLE, _SWEEP = -1, -2
_DEVICES = {"auto": "Automatic", "cpu": "CPU", "mps": "Apple GPU"}


class LayerBox(QSpinBox):
    """A layer's number, or one of two ways to choose it, below zero."""

    WORDS: ClassVar = {_MIDDLE: "the middle", _SWEEP: "by a sweep"}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(min(self.WORDS), 999)
        self.setValue(_MIDDLE)

    def textFromValue(self, value: int) -> str:
        """The number or the words."""
        return self.WORDS.get(value) or str(value)

    def valueFromText(self, text: str) -> int:
        """The inverse."""
        return next((value for value, words in self.WORDS.items() if words == text), None) or int(text)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Words may be typed too."""
        if text in self.WORDS.values():
            return QValidator.State.Acceptable, text, position
        if any(words.startswith(text) for words in self.WORDS.values()):
            return QValidator.State.Intermediate, text, position
        whole = text.isdecimal() and int(text) <= self.maximum()
        return QValidator.State.Acceptable if whole else QValidator.State.Invalid, text, position


class SettingsForm(Card):
    """Fields, and what they come to as TrainingChoices."""

    source_changed = Signal(object)  # ModelSource

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Settings", parent)
        self._incomplete: dict[str, str] = {}
        self.model = self._picker("Model", "Which language model the edits are for.")
        self.model.addItem("Embedded model", EMBEDDED)
        self.model.addItem("Folder…", _FOLDER)
        self.device = QComboBox()
        self.device.addItem(_DEVICES["auto"], "auto")
        self.editor = QComboBox()
        self.editor.addItem("MeG", "meg")
        self.encoder = self._picker("Encoder", "Which text encoder turns a question into a vector.")
        self.encoder.addItem("Embedded encoder", EMBEDDED)
        self.encoder.addItem("Folder…", _FOLDER)
        self.layer = LayerBox()
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        for number in (self.layer, self.seed):
            number.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self._told = hint("")
        self._told.hide()
        for field in (self.model, self.device, self.editor, self.encoder, self.layer, self.seed):
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body.addLayout(named("Model", self.model, help="Which language model the edits are for."))
        self.body.addLayout(named("Device", self.device, help="Where the model runs; automatic takes the fastest."))
        self.body.addLayout(named("Editor", self.editor, help="The method that teaches the edits."))
        self.body.addLayout(
            named("Encoder", self.encoder, help="A sentence-transformers model that turns a question into a vector.")
        )
        pair = QHBoxLayout()
        pair.setSpacing(2 * SPACE)
        told = "The layer whose FFN gets the neuron, from 0; a sweep tries several layers on some of the edits."
        pair.addLayout(named("Layer", self.layer, help=told))
        pair.addLayout(named("Seed", self.seed, help="The same seed on the same machine gives the same pack."))
        self.body.addLayout(pair)
        self.body.addWidget(self._told)
        self.model.activated.connect(self._model_chosen)
        self.encoder.activated.connect(self._encoder_chosen)
        self.device.activated.connect(lambda: self.source_changed.emit(self.source()))
        self._last = {self.model: EMBEDDED, self.encoder: EMBEDDED}

    def set_machine(self, machine: Machine) -> None:
        """List the models and devices that there are."""
        chosen, device = self.model.currentData(), self.device.currentData()
        self._incomplete = {
            choice.name: f"“{choice.name}” is not complete: finish its download before you train on it."
            for choice in machine.models
            if not choice.complete
        }
        self.model.clear()
        for choice in machine.models:
            self.model.addItem(choice.label, choice.name)
        self.model.addItem("Folder…", _FOLDER)
        self._choose(self.model, chosen)
        self.device.clear()
        for name in ("auto", *machine.devices):
            self.device.addItem(_DEVICES.get(name, name.replace("cuda:", "GPU ")), name)
        self.device.setCurrentIndex(max(self.device.findData(device), 0))

    def show_source(self, source: ModelSource) -> None:
        """Show which model and device are in use."""
        self._choose(self.model, source.name)
        if self.device.findData(source.device) < 0:
            self.device.addItem(source.device, source.device)
        self.device.setCurrentIndex(self.device.findData(source.device))

    def source(self) -> ModelSource:
        """The chosen model and device."""
        return ModelSource(str(self.model.currentData()), str(self.device.currentData()))

    def choices(self) -> TrainingChoices:
        """Everything that was chosen."""
        layer = self.layer.value()
        return TrainingChoices(
            source=self.source(),
            editor=str(self.editor.currentData()),
            layer="auto" if layer == _SWEEP else None if layer == _MIDDLE else layer,
            encoder=str(self.encoder.currentData()),
            seed=self.seed.value(),
        )

    def obstacle(self) -> str:
        """Why a training with these choices cannot begin; empty where it can."""
        return self._incomplete.get(str(self.model.currentData()), "")

    def set_locked(self, locked: bool) -> None:
        """Nothing can be chosen while a training runs."""
        for field in (self.model, self.device, self.editor, self.encoder, self.layer, self.seed):
            field.setEnabled(not locked)

    def _picker(self, name: str, help: str) -> QComboBox:
        made = QComboBox()
        made.setAccessibleName(name)
        made.setAccessibleDescription(help)
        made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        made.setMinimumContentsLength(12)
        return made

    def _choose(self, picker: QComboBox, name: str) -> None:
        if picker.findData(name) < 0:
            picker.insertItem(picker.count() - 1, Path(name).name or name, name)
        picker.setCurrentIndex(picker.findData(name))
        picker.setToolTip("" if name == EMBEDDED else name)
        self._last[picker] = name
        obstacle = self.obstacle()
        self._told.setText(obstacle)
        self._told.setVisible(bool(obstacle))

    def _model_chosen(self) -> None:
        if self.model.currentData() == _FOLDER:
            self._ask_folder(self.model, "Choose the folder of a language model")
        else:
            self._choose(self.model, self.model.currentData())
            self.source_changed.emit(self.source())

    def _encoder_chosen(self) -> None:
        if self.encoder.currentData() == _FOLDER:
            self._ask_folder(self.encoder, "Choose the folder of a sentence-transformers model")
        else:
            self._choose(self.encoder, self.encoder.currentData())

    def _ask_folder(self, picker: QComboBox, title: str) -> None:
        # The list shows the choice before until a folder is chosen: a dialog may be closed without one.
        self._choose(picker, self._last[picker])

        def chosen(folder: Path) -> None:
            self._choose(picker, str(folder))
            if picker is self.model:
                self.source_changed.emit(self.source())

        choose_folder(self, title, chosen)
