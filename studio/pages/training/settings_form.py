"""What is chosen before a training: model, device, editor, preset, a pack to start from, layer, encoder, seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QPalette, QValidator
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from engine.editors.registry import EDITORS, EditorKind, editor_kind
from engine.meg.settings import EMBEDDED, CollectionSettings, MegSettings
from engine.setting_fields import SettingError, help_of, value_at, with_values
from studio.model_jobs import Machine, ModelSource
from studio.pages.training.advanced_dialog import AdvancedDialog
from studio.store.runs import RunRow
from studio.theme import SPACE, tokens
from studio.trainer import TrainingChoices
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_folder
from studio.widgets.labels import Label, hint
from studio.widgets.run_words import called, model_name
from studio.words import deferred, tr

if TYPE_CHECKING:
    from engine.model_files import ModelChoice

_FOLDER = "\x00folder"
_MIDDLE, _SWEEP = -1, -2
_AUTO, _BALANCED = "auto", "balanced"
_DEVICES = {"auto": deferred("Automatic"), "cpu": "CPU", "mps": deferred("Apple GPU")}
_FIELDS = ("layer", "chat", "collection.neurons")
"""The settings that have a field of their own in the form."""


class LayerBox(QSpinBox):
    """A layer's number, or one of two ways to choose it, below zero."""

    WORDS: ClassVar = {_MIDDLE: deferred("the middle"), _SWEEP: deferred("by a sweep")}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(min(self.WORDS), 999)
        self.setValue(_MIDDLE)

    def textFromValue(self, value: int) -> str:
        """The number or the words."""
        return tr(self.WORDS[value]) if value in self.WORDS else str(value)

    def valueFromText(self, text: str) -> int:
        """The inverse."""
        return next((value for value, words in self.WORDS.items() if tr(words) == text), None) or int(text)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Words may be typed too."""
        if text in map(tr, self.WORDS.values()):
            return QValidator.State.Acceptable, text, position
        if any(words.startswith(text) for words in self.WORDS.values()):
            return QValidator.State.Intermediate, text, position
        whole = text.isdecimal() and int(text) <= self.maximum()
        return QValidator.State.Acceptable if whole else QValidator.State.Invalid, text, position


class SettingsForm(Card):
    """Fields, and what they come to as TrainingChoices.

    Every setting that differs from the preset is one of `changes`, whether it has a field here or among the advanced
    ones.
    """

    source_changed = Signal(object)  # ModelSource
    folder_chosen = Signal(object)  # Path that is to be searched for models
    start_changed = Signal(object)  # RunRow whose pack is gone on from, or None
    changed = Signal()  # anything that `state` holds

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Settings", parent)
        self._choices: dict[str, ModelChoice] = {}
        self._changes: dict[str, Any] = {}
        self._starts: dict[int, RunRow] = {}
        self._obstacle = ""
        self._filling = False
        self.model = self._picker(tr("Model"), tr("Which language model the edits are for."))
        self.model.addItem(model_name(EMBEDDED), EMBEDDED)
        self.model.addItem(tr("Folder…"), _FOLDER)
        self.trust = QCheckBox(tr("Allow this model's own code"))
        self.trust.setAccessibleName(self.trust.text())
        self._danger = hint("It may do anything on this computer: allow it only if you trust who made the model.")
        self.fit = hint("")
        self.device = QComboBox()
        self.device.addItem(tr(_DEVICES["auto"]), "auto")
        self.editor = QComboBox()
        for kind in EDITORS.values():
            self.editor.addItem(kind.title, kind.name)
            self.editor.setItemData(self.editor.count() - 1, kind.about, Qt.ItemDataRole.ToolTipRole)
        self.preset = QComboBox()
        self.start = self._picker(tr("Start"), tr("A finished run whose pack is gone on from."))
        self.growth = hint("")
        self.encoder = self._picker(tr("Encoder"), help_of(MegSettings, "encoder"))
        self.encoder.addItem(tr("Embedded encoder"), EMBEDDED)
        self.encoder.addItem(tr("Folder…"), _FOLDER)
        self.layer = LayerBox()
        self.seed = QSpinBox()
        self.seed.setRange(0, 2**31 - 1)
        self.neurons = QSpinBox()
        self.neurons.setRange(1, 16)
        self.chat = QComboBox()
        for text, value in ((tr("automatic"), None), (tr("on"), True), (tr("off"), False)):
            self.chat.addItem(text, value)
        for number in (self.layer, self.seed, self.neurons):
            number.lineEdit().setTextMargins(SPACE, 0, 0, 0)
        self.advanced = button("All settings…", "settings", tip=tr("Every setting of this editor, with what it means."))
        self._differing = Label(muted=True)
        self._lay_out()
        self._last = {self.model: EMBEDDED, self.encoder: EMBEDDED}
        self.set_starts(())
        self._editor_chosen()
        self._connect()

    def _lay_out(self) -> None:
        fields = (self.model, self.device, self.editor, self.preset, self.start, self.encoder, self.layer, self.seed,
                  self.neurons, self.chat)  # fmt: skip
        for field in fields:
            field.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body.addLayout(named("Model", self.model, help=tr("Which language model the edits are for.")))
        for part in (self.trust, self._danger, self.fit):
            self.body.addWidget(part)
        self._pair(
            named("Device", self.device, help=tr("Where the model runs; automatic takes the fastest.")),
            named("Editor", self.editor, help=tr("The method that teaches the edits.")),
        )
        self._pair(named("Preset", self.preset), named("Encoder", self.encoder, help=help_of(MegSettings, "encoder")))
        self.body.addLayout(
            named(
                "Start from", self.start, help=tr("Go on from the pack of a finished run: only what is new is learnt.")
            )
        )
        self.body.addWidget(self.growth)
        self._pair(
            named("Layer", self.layer, help=help_of(MegSettings, "layer")),
            named("Seed", self.seed, help=tr("The same seed on the same machine gives the same pack.")),
        )
        self._pair(
            named("Neurons an edit", self.neurons, help=help_of(CollectionSettings, "neurons")),
            named("Chat template", self.chat, help=help_of(MegSettings, "chat")),
        )
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.advanced)
        row.addWidget(self._differing, 1)
        self.body.addLayout(row)

    def _pair(self, one: QVBoxLayout, other: QVBoxLayout) -> None:
        pair = QHBoxLayout()
        pair.setSpacing(2 * SPACE)
        pair.addLayout(one, 1)
        pair.addLayout(other, 1)
        self.body.addLayout(pair)

    def _connect(self) -> None:
        self.model.activated.connect(self._model_chosen)
        self.encoder.activated.connect(self._encoder_chosen)
        self.device.activated.connect(lambda: self.source_changed.emit(self.source()))
        self.trust.toggled.connect(self._trust_changed)
        self.editor.currentIndexChanged.connect(lambda _: self._editor_chosen())
        self.preset.currentIndexChanged.connect(lambda _: self._preset_chosen())
        self.start.currentIndexChanged.connect(lambda _: self._start_chosen())
        self.layer.valueChanged.connect(lambda _: self._field_changed())
        self.neurons.valueChanged.connect(lambda _: self._field_changed())
        self.chat.currentIndexChanged.connect(lambda _: self._field_changed())
        self.seed.valueChanged.connect(lambda _: self._field_changed())
        self.advanced.clicked.connect(self.show_advanced)

    # --- models and devices ------------------------------------------------------------------------------------

    def set_machine(self, machine: Machine) -> None:
        """List the models and devices that there are."""
        chosen, device = self.model.currentData(), self.device.currentData()
        self._choices = {choice.name: choice for choice in machine.models}
        self.model.clear()
        for choice in machine.models:
            self.model.addItem(model_name(EMBEDDED) if choice.name == EMBEDDED else choice.label, choice.name)
        self.model.addItem(tr("Folder…"), _FOLDER)
        self._choose(self.model, chosen)
        self.device.clear()
        for name in ("auto", *machine.devices):
            self.device.addItem(tr(_DEVICES[name]) if name in _DEVICES else name.replace("cuda:", "GPU "), name)
        self.device.setCurrentIndex(max(self.device.findData(device), 0))

    def add_models(self, choices: Sequence[ModelChoice]) -> None:
        """List more models, and take the first of them that is complete."""
        for choice in choices:
            if self.model.findData(choice.name) < 0:
                self.model.insertItem(self.model.count() - 1, choice.label, choice.name)
            self._choices[choice.name] = choice
        taken = next((choice for choice in choices if choice.complete), choices[0] if choices else None)
        if taken is not None:
            self._choose(self.model, taken.name)
            self.source_changed.emit(self.source())

    def show_source(self, source: ModelSource) -> None:
        """Show which model and device are in use."""
        self._choose(self.model, source.name)
        if source.remote_code:
            self._show_trust(True)
        if self.device.findData(source.device) < 0:
            self.device.addItem(source.device, source.device)
        self.device.setCurrentIndex(self.device.findData(source.device))

    def source(self) -> ModelSource:
        """The chosen model and device."""
        name = str(self.model.currentData())
        trusts = name if self.trust.isChecked() and self.trust.isVisibleTo(self) else ""
        return ModelSource(name, str(self.device.currentData()), trusts)

    def show_fit(self, sentence: str, obstacle: str) -> None:
        """Say whether the chosen model can be edited here."""
        self._obstacle = obstacle
        self.fit.setText(sentence)
        self.fit.setVisible(bool(sentence))
        told = QPalette(self.palette())
        if obstacle:
            told.setColor(QPalette.ColorRole.PlaceholderText, tokens().warn)
        self.fit.setPalette(told)

    def obstacle(self) -> str:
        """Why a training with these choices cannot begin; empty where it can."""
        choice = self._choices.get(str(self.model.currentData()))
        if choice is not None and choice.fault:
            return choice.fault
        return self._obstacle

    # --- editor, preset, settings ------------------------------------------------------------------------------

    @property
    def kind(self) -> EditorKind:
        """The chosen editor."""
        return editor_kind(str(self.editor.currentData()))

    def settings(self) -> Any:
        """The settings of the chosen editor."""
        usual = self.kind.presets[str(self.preset.currentData())][1]()
        return with_values(usual, {**self._changes, "encoder": str(self.encoder.currentData())})

    def choices(self) -> TrainingChoices:
        """Everything that was chosen."""
        return TrainingChoices(
            source=self.source(),
            editor=self.kind.name,
            preset=str(self.preset.currentData()),
            settings=self.settings(),
            seed=self.seed.value(),
            start=self.chosen_start(),
        )

    def state(self) -> dict[str, object]:
        """What a project remembers of the choices, as JSON holds it."""
        return {
            "editor": self.kind.name,
            "preset": str(self.preset.currentData()),
            "seed": self.seed.value(),
            "encoder": str(self.encoder.currentData()),
            "changes": dict(self._changes),
        }

    def restore(self, state: Mapping[str, object]) -> None:
        """Show what `state` gave; what an editor of today does not take is left out."""
        self._filling = True
        changes = state.get("changes")
        self.editor.setCurrentIndex(max(self.editor.findData(state.get("editor", "meg")), 0))
        preset = self.preset.findData(state.get("preset", _BALANCED))
        self.preset.setCurrentIndex(preset if preset >= 0 else self.preset.findData(_BALANCED))
        seed = state.get("seed", 0)
        self.seed.setValue(seed if isinstance(seed, int) else 0)
        self._choose(self.encoder, str(state.get("encoder", EMBEDDED)))
        self._changes = {}
        for path, value in changes.items() if isinstance(changes, Mapping) else ():
            try:
                with_values(self.kind.presets[str(self.preset.currentData())][1](), {**self._changes, path: value})
            except (SettingError, AttributeError, TypeError):
                continue
            self._changes[path] = value
        self._show_changes()
        self._filling = False

    def show_advanced(self) -> AdvancedDialog:
        """Open the dialog with every setting."""
        dialog = AdvancedDialog(self.kind, str(self.preset.currentData()), self._changes, self)
        dialog.accepted.connect(lambda: self._take_changes(dialog.changes()))
        dialog.open()
        return dialog

    def _take_changes(self, changes: Mapping[str, Any]) -> None:
        kept = {path: value for path, value in self._changes.items() if path in _FIELDS and path not in changes}
        own = {"collection.neurons"}  # has a field here and a row there: the row has the last word
        self._changes = {path: value for path, value in kept.items() if path not in own} | dict(changes)
        self._show_changes()
        self.changed.emit()

    def _editor_chosen(self) -> None:
        kind, chosen = self.kind, self.preset.currentData() or _BALANCED
        filling, self._filling = self._filling, True
        self.preset.clear()
        for name, (about, _) in kind.presets.items():
            self.preset.addItem(name, name)
            self.preset.setItemData(self.preset.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        place = self.preset.findData(chosen)
        self.preset.setCurrentIndex(place if place >= 0 else max(self.preset.findData(_BALANCED), 0))
        self.editor.setToolTip(kind.about)
        self._changes = {} if filling else self._changes
        self._changes = {path: value for path, value in self._changes.items() if self._takes(path)}
        self._filling = filling
        self._show_changes()
        if not filling:
            self.changed.emit()

    def _takes(self, path: str) -> bool:
        if path == "layer":
            return self.kind.layered
        part, _, name = path.rpartition(".")
        return path == "chat" or any(
            group.part == part and (not group.names or name in group.names) for group in self.kind.groups
        )

    def _preset_chosen(self) -> None:
        if not self._filling:
            self._show_changes()
            self.changed.emit()

    def _field_changed(self) -> None:
        if self._filling:
            return
        usual = self.kind.presets[str(self.preset.currentData())][1]()
        layer = self.layer.value()
        given: dict[str, Any] = {"chat": self.chat.currentData()}
        if self.kind.layered:
            given["layer"] = _AUTO if layer == _SWEEP else None if layer == _MIDDLE else layer
            given["collection.neurons"] = self.neurons.value()
        for path, value in given.items():
            if value == value_at(usual, path):
                self._changes.pop(path, None)
            else:
                self._changes[path] = value
        self._tell_differing()
        self.changed.emit()

    def _show_changes(self) -> None:
        """Let the fields show what the settings are."""
        filling, self._filling = self._filling, True
        usual = self.kind.presets[str(self.preset.currentData())][1]()
        value = {path: self._changes.get(path, value_at(usual, path)) for path in _FIELDS}
        layer = value["layer"]
        self.layer.setValue(_SWEEP if layer == _AUTO else _MIDDLE if layer is None else layer)
        self.neurons.setValue(value["collection.neurons"])
        self.chat.setCurrentIndex(max(self.chat.findData(value["chat"]), 0))
        self.preset.setToolTip(self.kind.presets[str(self.preset.currentData())][0])
        self._filling = filling
        self._tell_differing()
        self._tell_start()

    def _tell_differing(self) -> None:
        number = len(self._changes)
        self._differing.setText(
            tr("{changes} to the preset", changes=count(number, "change")) if number else tr("as the preset has it")
        )
        font = QFont(self._differing.font())
        font.setBold(bool(number))
        self._differing.setFont(font)

    # --- a pack to go on from ----------------------------------------------------------------------------------

    def set_starts(self, runs: Sequence[RunRow]) -> None:
        """The finished runs of this project that can be gone on from with the chosen model."""
        chosen = self.start.currentData()
        filling, self._filling = self._filling, True
        self._starts = {run.id: run for run in runs}
        self.start.clear()
        self.start.addItem(tr("nothing"), None)
        for run in runs:
            self.start.addItem(f"{called(run)}, {count(run.edits, 'edit')}", run.id)
        self.start.setCurrentIndex(max(self.start.findData(chosen), 0))
        self._filling = filling
        self._tell_start()
        if chosen is not None and self.start.currentData() is None:
            self.start_changed.emit(None)

    def chosen_start(self) -> RunRow | None:
        """The run whose pack is gone on from."""
        return self._starts.get(self.start.currentData()) if self.kind.grows else None

    def show_growth(self, text: str) -> None:
        """Say what going on from the chosen pack means."""
        self.growth.setText(text)
        self.growth.setVisible(bool(text))

    def _start_chosen(self) -> None:
        if not self._filling:
            self._tell_start()
            self.start_changed.emit(self.chosen_start())

    def _tell_start(self) -> None:
        """The settings of the pack hold where one is gone on from."""
        begun = self.chosen_start() is not None
        self.start.setEnabled(self.kind.grows and self.start.count() > 1)
        for field in (self.preset, self.encoder, self.chat, self.advanced):
            field.setEnabled(not begun)
        for number in (self.layer, self.neurons):
            number.setEnabled(not begun and self.kind.layered)
        if not begun:
            self.show_growth("")

    # --- choosing ----------------------------------------------------------------------------------------------

    def _picker(self, name: str, help: str) -> QComboBox:
        made = QComboBox()
        made.setAccessibleName(name)
        made.setAccessibleDescription(help)
        made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        made.setMinimumContentsLength(8)
        return made

    def _choose(self, picker: QComboBox, name: str) -> None:
        if picker.findData(name) < 0:
            picker.insertItem(picker.count() - 1, Path(name).name or name, name)
        picker.setCurrentIndex(picker.findData(name))
        picker.setToolTip("" if name == EMBEDDED else name)
        changed = self._last[picker] != name
        self._last[picker] = name
        if picker is self.model:
            self._show_trust(self.trust.isChecked() and not changed)
            choice = self._choices.get(name)
            if changed or (choice is not None and choice.fault):
                self.show_fit(choice.fault if choice else "", choice.fault if choice else "")

    def _show_trust(self, trusted: bool) -> None:
        choice = self._choices.get(str(self.model.currentData()))
        asked = trusted or (choice is not None and choice.remote_code)
        self.trust.blockSignals(True)
        self.trust.setChecked(trusted)
        self.trust.blockSignals(False)
        self.trust.setVisible(asked)
        self._danger.setVisible(asked)

    def _trust_changed(self) -> None:
        self.show_fit("", "")
        self.source_changed.emit(self.source())

    def _model_chosen(self) -> None:
        if self.model.currentData() == _FOLDER:
            # The list shows the choice before until a folder is chosen: a dialog may be closed without one.
            self._choose(self.model, self._last[self.model])
            choose_folder(self, tr("Choose a folder with language models"), self.folder_chosen.emit)
        else:
            self._choose(self.model, self.model.currentData())
            self.source_changed.emit(self.source())

    def _encoder_chosen(self) -> None:
        if self.encoder.currentData() == _FOLDER:
            self._choose(self.encoder, self._last[self.encoder])
            choose_folder(self, tr("Choose the folder of a sentence-transformers model"), self._encoder_folder)
        else:
            self._choose(self.encoder, self.encoder.currentData())
            self.changed.emit()

    def _encoder_folder(self, folder: Path) -> None:
        self._choose(self.encoder, str(folder))
        self.changed.emit()
