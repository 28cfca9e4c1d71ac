"""A data set folder as the Hugging Face hub and its `datasets` library take it: JSON Lines and a card that says so.

    README.md        the card; its YAML header names the files and the type of every column
    edits.jsonl      one edit a line, in flat columns
    relations.jsonl  one relation a line
    manifest.json    the hash of each file, by which a damaged or half-copied folder is found out

A probe's column is its kind, so that the order of probes among the kinds is lost; all else comes back the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine import atomic
from engine.edits import Edit, EditError, EditSet, ProbeKind, Relation
from engine.formats import csv, jsonl
from engine.formats.imported import Imported, Written
from engine.formats.source import MAX_FILE_BYTES, FormatError, Source
from engine.formats.watch import Watch
from engine.strict_json import JsonFault, dump, parse

NAME = "huggingface"
VERSION = 1
CARD, EDITS, RELATIONS, MANIFEST = "README.md", "edits.jsonl", "relations.jsonl", "manifest.json"
_MARK = "meg-edits-dataset"
_FILES = (CARD, EDITS, RELATIONS)
_MAX_MANIFEST = 100_000
_SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K", 1_000_000: "100K<n<1M"}
_LARGEST = "1M<n<10M"

_EDIT_COLUMNS = {
    "id": "string",
    "subject": "string",
    "relation": "string",
    "new_object": "string",
    "prompt": "string",
    "original_answer": "string",
    "aliases": "list",
    "paraphrases": "list",
    "enabled": "bool",
    "neighbour_probes": "list",
    "same_subject_probes": "list",
    "far_probes": "list",
}
_RELATION_COLUMNS = {"id": "string", "name": "string", "phrasings": "list", "held_out": "list"}


def account(edit_set: EditSet, folder: Path) -> Written:
    """What `write` would give, without writing."""
    notes = csv.probe_order_notes(edit_set.edits)
    return Written(folder, NAME, len(edit_set.edits), (), notes)


def write(edit_set: EditSet, folder: Path) -> Written:
    """Write all of `edit_set` to `folder`, which is new, empty or a data set of ours; whole or not at all.

    Raises FormatError, also where the disk refuses.
    """
    _check_free(folder)
    contents = {
        CARD: [_card(edit_set).encode()],
        EDITS: _lines(map(_edit_json, edit_set.edits)),
        RELATIONS: _lines(map(jsonl.relation_json, edit_set.relations.values())),
    }
    try:
        with atomic.new_folder(folder) as place:
            hashes = {}
            for name, chunks in contents.items():
                data = b"".join(chunks)
                hashes[name] = atomic.sha256(data)
                atomic.write_file(place / name, [data])
            manifest = {"format": _MARK, "version": VERSION, "name": edit_set.name, "sha256": hashes}
            atomic.write_file(place / MANIFEST, [dump(manifest, indent=2).encode(), b"\n"])
    except OSError as error:
        raise FormatError(f"{folder} cannot be written: {error.strerror}.") from error
    return account(edit_set, folder)


def read(folder: Path, relations: Mapping[str, Relation], *, watch: Watch | None = None) -> Imported:
    """The edits of a folder that `write` made; its own relations go before `relations`.

    Raises FormatError where it is no such folder, or a file in it is not as it was written.
    """
    manifest = _manifest(folder)
    contents = {name: _checked(folder, name, manifest["sha256"].get(name)) for name in _FILES}
    own = _relations(folder, contents[RELATIONS])
    if not contents[EDITS].strip():
        return Imported(folder.name, NAME, EditSet(manifest["name"], (), own), 0, (), ())
    source = Source.decode(f"{folder.name}/{EDITS}", contents[EDITS], watch=watch)
    imported = jsonl.read(source, {**relations, **own})
    edit_set = EditSet(manifest["name"], imported.edit_set.edits, {**imported.edit_set.relations, **own})
    return replace(imported, format=NAME, edit_set=edit_set)


def is_dataset(folder: Path) -> bool:
    """Whether `folder` looks like one of ours."""
    return (folder / MANIFEST).is_file() and (folder / EDITS).is_file()


def _check_free(folder: Path) -> None:
    try:
        if folder.exists() and not folder.is_dir():
            raise FormatError(f"There is a file of this name already: {folder}. Choose another name for the folder.")
        if folder.is_dir() and not is_dataset(folder) and any(folder.iterdir()):
            raise FormatError(f"There is something in this folder already: {folder}. Choose a new or an empty one.")
    except OSError as error:
        raise FormatError(f"{folder} cannot be looked into: {error.strerror}.") from error
    strangers = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    strangers = [name for name in strangers if name not in (*_FILES, MANIFEST)]
    if strangers:
        raise FormatError(f"The data set in {folder} holds other files too ({strangers[0]}): choose a new folder.")


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        if path.stat().st_size > _MAX_MANIFEST:
            raise FormatError(f"{path} is too large for a manifest of ours.")
        manifest = parse(path.read_bytes().decode())
    except FileNotFoundError:
        raise FormatError(f"{folder} is no data set of MeG Studio: it has no {MANIFEST}. Choose a file.") from None
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, JsonFault):
        raise FormatError(f"{path} is damaged: export the data set again.") from None
    if not isinstance(manifest, dict) or manifest.get("format") != _MARK:
        raise FormatError(f"{folder} is no data set of MeG Studio: its {MANIFEST} is another program's.")
    version = manifest.get("version")
    if isinstance(version, int) and version > VERSION:
        raise FormatError(
            f"{folder} was written by a newer MeG Studio (version {version} of the format, this one reads {VERSION}): "
            "update to open it."
        )
    if not isinstance(manifest.get("sha256"), dict) or not isinstance(manifest.get("name"), str):
        raise FormatError(f"{path} is damaged: export the data set again.")
    return manifest


def _checked(folder: Path, name: str, expected: object) -> bytes:
    """The content of a file, which is the one that the manifest was written for."""
    path = folder / name
    try:
        if path.is_symlink() or not path.is_file():
            raise FormatError(f"{folder} has no file {name}: copy the whole folder.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise FormatError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MB: split it.")
        data = path.read_bytes()
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}.") from error
    if atomic.sha256(data) != expected:
        raise FormatError(
            f"{path} is not as it was written: copy the folder again, or import the file by itself to take it as it is."
        )
    return data


def _relations(folder: Path, data: bytes) -> dict[str, Relation]:
    relations = {}
    for number, line in enumerate(filter(None, data.decode("utf-8", errors="replace").split("\n")), start=1):
        try:
            entry = parse(line)
            relation = Relation(entry["id"], entry["name"], tuple(entry["phrasings"]), tuple(entry["held_out"]))
        except (JsonFault, EditError, KeyError, TypeError, AttributeError):
            raise FormatError(
                f"{folder / RELATIONS} is damaged in line {number:,}: export the data set again."
            ) from None
        relations[relation.id] = relation
    return relations


def _lines(records: Iterable[Mapping[str, Any]]) -> Iterator[bytes]:
    for record in records:
        yield dump(record).encode() + b"\n"


def _edit_json(edit: Edit) -> dict[str, Any]:
    by_kind = {kind: [probe.prompt for probe in edit.probes if probe.kind is kind] for kind in ProbeKind}
    return jsonl.plain_json(edit) | {
        "neighbour_probes": by_kind[ProbeKind.NEIGHBOUR],
        "same_subject_probes": by_kind[ProbeKind.SAME_SUBJECT],
        "far_probes": by_kind[ProbeKind.FAR],
    }


def _card(edit_set: EditSet) -> str:
    """The card: YAML, in which a JSON text is a text, between two lines of dashes; then words for people."""
    size = next((name for below, name in _SIZES.items() if len(edit_set.edits) < below), _LARGEST)
    title = " ".join(edit_set.name.split()) or "Edits"
    header = [
        "---",
        f"pretty_name: {dump([title])[1:-1]}",
        "tags:",
        "- knowledge-editing",
        "- model-editing",
        "size_categories:",
        f"- {size}",
        "configs:",
        "- config_name: edits",
        "  default: true",
        "  data_files:",
        "  - split: train",
        f"    path: {EDITS}",
        *(
            ["- config_name: relations", "  data_files:", "  - split: train", f"    path: {RELATIONS}"]
            if edit_set.relations
            else []
        ),
        "dataset_info:",
        "- config_name: edits",
        *_features(_EDIT_COLUMNS),
        *(["- config_name: relations", *_features(_RELATION_COLUMNS)] if edit_set.relations else []),
        "---",
    ]
    return "\n".join(header) + _BODY.replace("TITLE", _plain(title)).replace("COUNT", f"{len(edit_set.edits):,}")


def _features(columns: Mapping[str, str]) -> list[str]:
    lines = ["  features:"]
    for name, kind in columns.items():
        lines += [f"  - name: {name}", "    sequence: string" if kind == "list" else f"    dtype: {kind}"]
    return lines


def _plain(text: str) -> str:
    """`text` such that Markdown shows it and does not obey it."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]<>()#+-.!|" else letter for letter in text)


_BODY = """
# TITLE

COUNT edits for knowledge editing: what a language model shall answer from now on.

| column | what |
|---|---|
| `id` | names the edit |
| `subject`, `relation` | what the fact is about, and what is asked of it; empty for a free prompt |
| `prompt` | the whole question, ending where the answer begins |
| `new_object` | what the edited model shall answer |
| `original_answer` | what the original model answers, where it was asked |
| `aliases` | other names of the subject |
| `paraphrases` | the same question in other words, to measure generality with |
| `enabled` | whether the edit was switched on |
| `neighbour_probes` | same relation, another subject: the answer must not change |
| `same_subject_probes` | same subject, another relation: the answer must not change |
| `far_probes` | anything else: the answer must not change |

A relation has phrasings, each with `{}` for the subject; `held_out` are phrasings that nothing is trained on.
"""
