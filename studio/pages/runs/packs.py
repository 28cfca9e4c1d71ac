"""Packs that leave the project and packs that come in: as a folder, or as one zip."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from engine import atomic
from engine.formats.registry import read_edits
from engine.pack_archive import checked_manifest, copy_pack, opened_pack, write_archive
from engine.packs import Manifest
from studio.model_jobs import EDITS, PACK, told_figures
from studio.store import runs as keeping
from studio.store.changes import Changes
from studio.store.project import Project
from studio.store.runs import RunRow, RunState
from studio.store.trained import note_trained


def export_folder(run: RunRow, folder: Path) -> Path:
    """Copy the pack of `run` into `folder`, under a name of its own; returns where it is. Raises PackError."""
    target = folder / f"{run.folder.name}-pack"
    copy_pack(run.folder / PACK, target)
    return target


def export_archive(run: RunRow, path: Path) -> Path:
    """Write the pack of `run` to the zip `path`. Raises PackError."""
    write_archive(run.folder / PACK, path)
    return path


def import_pack(project: Project, path: Path) -> Changes:
    """Take the pack at `path`, a folder or a zip, into the project as a finished run. Raises PackError.

    The file of every pack is checked by its hash; the model is asked for when the pack is put to use.
    """
    with opened_pack(path) as pack:
        manifest = checked_manifest(pack)
        data = (pack / EDITS).read_bytes()
        snapshot = read_edits(pack / EDITS, "jsonl").or_nothing()
        edits = snapshot.enabled()
        run = keeping.add_run(
            project,
            editor=manifest.editor,
            model=manifest.model.name,
            seed=manifest.seed,
            snapshot=atomic.sha256(data),
            edits=len(edits),
            settings=_settings(manifest, path),
        )
        try:
            copy_pack(pack, run.folder / PACK)
            atomic.write_file(run.folder / EDITS, [data])
            note_trained(project, run.id, snapshot)
        except BaseException:
            keeping.update_run(project, run.id, state=RunState.FAILED)
            keeping.delete_run(project, run.id)
            shutil.rmtree(run.folder, ignore_errors=True)
            raise
    figures = told_figures(manifest.figures, edits)
    name = path.stem if path.is_file() else path.name
    return keeping.update_run(project, run.id, state=RunState.FINISHED, figures=figures, name=name[: keeping.MAX_NAME])


def _settings(manifest: Manifest, path: Path) -> dict[str, object]:
    settings: dict[str, object] = json.loads(json.dumps(manifest.settings))
    return {**settings, "imported from": path.name, "made by": manifest.created_by}
