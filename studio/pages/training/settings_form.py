"""What is chosen before a training: model, device, editor, preset, a pack to start from, layer, encoder, seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QPalette, QValidator
from PySide6.QtWidgets import QCheckBox, QComboBox, QHBoxLayout, QSizePolicy, QSpinBox, QVBoxLayout, QWidget

from engine.editors.registry import DEFAULT, EDITORS, EditorKind, editor_kind
from engine.setting_fields import SettingError, describe, help_of, value_at, with_values
from studio.model_jobs import EMBEDDED, Machine, ModelSource
from studio.pages.training.advanced_dialog import AdvancedDialog
from studio.store.runs import RunRow
from studio.theme import SPACE, tokens
from studio.trainer import BALANCED, TrainingChoices
from studio.widgets.buttons import button
from studio.widgets.card import Card
from studio.widgets.editor_words import described, grouped
from studio.widgets.fields import named
from studio.widgets.figures import count
from studio.widgets.files import choose_folder
from studio.widgets.labels import Label, hint
from studio.widgets.run_words import called, model_name
from studio.words import deferred, tr

if TYPE_CHECKING:
    from engine.model_files import ModelChoice

_FOLDER = "\x00folder"
_UNSET, _SWEEP = -1, -2
_AUTO = "auto"
_DEVICES = {"auto": deferred("Automatic"), "cpu": "CPU", "mps": deferred("Apple GPU")}
LAYER, CHAT, ENCODER, NEURONS = "layer", "chat", "encoder", "collection.neurons"
"""The settings that have a field of their own in the form, where the editor has them."""
_OUTSIDE_OF_GROUPS = (LAYER, CHAT, ENCODER)
"""Those that need stand in no group of the editor's settings."""


class LayerBox(QSpinBox):
    """A layer's number, or one of two ways to have it chosen, below zero."""

    WORDS: ClassVar = {_UNSET: deferred("automatic"), _SWEEP: deferred("by a sweep")}

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setRange(min(self.WORDS), 999)
        self.setValue(_UNSET)

    def let_sweep(self, swept: bool) -> None:
        """Whether a sweep may be asked for."""
        self.setMinimum(_SWEEP if swept else _UNSET)

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
        self._growable: tuple[RunRow, ...] = ()
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
        self.editor = self._picker(tr("Editor"), tr("The method that teaches the edits."))
        self._list_editors()
        self.about = hint("")
        self.preset = QComboBox()
        self.start = self._picker(tr("Start"), tr("A finished run whose pack is gone on from."))
        self.growth = hint("")
        self.encoder = self._picker(tr("Encoder"), "")
        self.encoder.addItem(tr("embedded"), EMBEDDED)
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
            named("Seed", self.seed, help=tr("The same seed on the same machine gives the same pack.")),
        )
        self.body.addLayout(named("Editor", self.editor, help=tr("The method that teaches the edits.")))
        self.body.addWidget(self.about)
        self._own = {
            ENCODER: named("Encoder", self.encoder),
            LAYER: named("Layer", self.layer),
            NEURONS: named("Neurons an edit", self.neurons),
            CHAT: named("Chat template", self.chat),
        }
        self._pair(named("Preset", self.preset), self._own[ENCODER])
        self.body.addLayout(
            named(
                "Start from", self.start, help=tr("Go on from the pack of a finished run: only what is new is learnt.")
            )
        )
        self.body.addWidget(self.growth)
        self._pair(self._own[LAYER], self._own[NEURONS])
        self.body.addLayout(self._own[CHAT])
        row = QHBoxLayout()
        row.setSpacing(SPACE)
        row.addWidget(self.advanced)
        row.addWidget(self._differing, 1)
        self.body.addLayout(row)

    def _pair(self, one: QVBoxLayout, other: QVBoxLayout) -> None:
        pair = QHBoxLayout()
        pair.setSpacing(2 * SPACE)
        for column in (one, other):
            pair.addLayout(column, 1)
            pair.setAlignment(column, Qt.AlignmentFlag.AlignTop)
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
        encoder = {ENCODER: str(self.encoder.currentData())} if self._takes(ENCODER) else {}
        return with_values(self._usual(), {**self._changes, **encoder})

    def neurons_an_edit(self) -> int:
        """How many neurons an edit will have; one where the editor does not choose."""
        return self.neurons.value() if self._takes(NEURONS) else 1

    def _usual(self) -> Any:
        """The preset's settings."""
        return self.kind.presets[str(self.preset.currentData())][1]()

    def _list_editors(self) -> None:
        """The editors, under what they promise where they promise different things."""
        groups = grouped(EDITORS.values())
        for title, kinds in groups.items():
            if len(groups) > 1:
                self.editor.addItem(title)
                self.editor.setItemData(self.editor.count() - 1, 0, Qt.ItemDataRole.UserRole - 1)  # cannot be chosen
            for kind in kinds:
                self.editor.addItem(kind.title, kind.name)
                self.editor.setItemData(self.editor.count() - 1, described(kind), Qt.ItemDataRole.ToolTipRole)
        self.editor.setCurrentIndex(self.editor.findData(DEFAULT))
        popup = self.editor.view()
        popup.setMinimumWidth(popup.sizeHintForColumn(0) + 4 * SPACE)

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
        editor = self.editor.findData(state.get("editor", DEFAULT))
        self.editor.setCurrentIndex(editor if editor >= 0 else self.editor.findData(DEFAULT))
        self._choose_preset(state.get("preset"))
        seed = state.get("seed", 0)
        self.seed.setValue(seed if isinstance(seed, int) else 0)
        self._choose(self.encoder, str(state.get("encoder", EMBEDDED)))
        self._changes = {}
        for path, value in changes.items() if isinstance(changes, Mapping) else ():
            try:
                with_values(self._usual(), {**self._changes, path: value})
            except (SettingError, AttributeError, TypeError):
                continue
            self._changes[path] = value
        self._show_changes()
        self._filling = False

    def show_advanced(self) -> AdvancedDialog:
        """Open the dialog with every setting."""
        dialog = AdvancedDialog(self.kind, str(self.preset.currentData()), self._changes, self)
        dialog.accepted.connect(lambda: self._take_changes(dialog.changes(), frozenset(dialog.rows)))
        dialog.open()
        return dialog

    def _take_changes(self, changes: Mapping[str, Any], rows: Collection[str]) -> None:
        """Take over what was chosen of `rows`; a setting that has a field alone stays as it is."""
        self._changes = {path: value for path, value in self._changes.items() if path not in rows} | dict(changes)
        self._show_changes()
        self.changed.emit()

    def _editor_chosen(self) -> None:
        kind, chosen = self.kind, self.preset.currentData()
        filling, self._filling = self._filling, True
        self.preset.clear()
        for name, (about, _) in kind.presets.items():
            self.preset.addItem(name, name)
            self.preset.setItemData(self.preset.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self._choose_preset(chosen)
        self.about.setText(described(kind))
        # What settings of two editors share is their name; how the model is asked is the model's matter.
        kept = {} if filling else self._changes
        self._changes = {path: value for path, value in kept.items() if path == CHAT and self._takes(path)}
        self._show_fields()
        self._filling = filling
        self._list_starts()
        self._show_changes()
        if not filling:
            self.changed.emit()

    def _choose_preset(self, name: object) -> None:
        """Choose the preset called so, or the usual one."""
        places = (self.preset.findData(name), self.preset.findData(BALANCED), 0)
        self.preset.setCurrentIndex(next(place for place in places if place >= 0))

    def _takes(self, path: str) -> bool:
        """Whether the chosen editor has the setting at `path`."""
        part, _, name = path.rpartition(".")
        owner = value_at(self._usual(), part) if part and hasattr(self._usual(), part) else self._usual()
        there = any(each.name == name for each in describe(type(owner)))
        if path in _OUTSIDE_OF_GROUPS:
            return there or (path == LAYER and self.kind.layered)
        return any(group.part == part and (name in group.names if group.names else there) for group in self.kind.groups)

    def _show_fields(self) -> None:
        """Show the fields of the settings that the chosen editor has, with what they mean to it."""
        usual = self._usual()
        self.layer.let_sweep(self.kind.layered)
        for path, column in self._own.items():
            takes, (part, _, name) = self._takes(path), path.rpartition(".")
            told = help_of(type(value_at(usual, part) if part else usual), name) if takes else ""
            pair = column.parent()
            if isinstance(pair, QHBoxLayout):  # the other of the two has all the room
                pair.setStretchFactor(column, int(takes))
            for item in map(column.itemAt, range(column.count())):
                widget = item.widget() if item is not None else None
                if widget is not None:
                    widget.setVisible(takes)
                    widget.setToolTip(told)
                    widget.setAccessibleDescription(told)

    def _preset_chosen(self) -> None:
        if not self._filling:
            self._show_changes()
            self.changed.emit()

    def _field_changed(self) -> None:
        if self._filling:
            return
        usual, layer = self._usual(), self.layer.value()
        given: dict[str, Any] = {
            CHAT: self.chat.currentData(),
            LAYER: _AUTO if layer == _SWEEP else None if layer == _UNSET else layer,
            NEURONS: self.neurons.value(),
        }
        for path, value in given.items():
            if not self._takes(path):
                continue
            if value == value_at(usual, path):
                self._changes.pop(path, None)
            else:
                self._changes[path] = value
        self._tell_differing()
        self.changed.emit()

    def _show_changes(self) -> None:
        """Let the fields show what the settings are."""
        filling, self._filling = self._filling, True
        usual = self._usual()
        value = {path: self._changes.get(path, value_at(usual, path)) for path in self._own if self._takes(path)}
        layer = value.get(LAYER)
        self.layer.setValue(_SWEEP if layer == _AUTO else _UNSET if layer is None else layer)
        self.neurons.setValue(value.get(NEURONS, 1))
        self.chat.setCurrentIndex(max(self.chat.findData(value.get(CHAT)), 0))
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
        """The finished runs of this project that can be gone on from with the chosen model, each by its own editor."""
        self._growable = tuple(runs)
        self._list_starts()

    def _list_starts(self) -> None:
        chosen = self.start.currentData()
        filling, self._filling = self._filling, True
        self._starts = {run.id: run for run in self._growable if run.editor == self.kind.name}
        self.start.clear()
        self.start.addItem(tr("nothing"), None)
        for run in self._starts.values():
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
        for field in (self.preset, self.encoder, self.layer, self.neurons, self.chat, self.advanced):
            field.setEnabled(not begun)
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
