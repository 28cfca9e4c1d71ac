"""All formats in one place: which one a file is in, reading, writing, and from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.edits import EditSet, Relation
from engine.formats import counterfact, csv, easyedit, huggingface, jsonl, knowedit, zsre
from engine.formats.imported import Imported, Written
from engine.formats.records import first_value
from engine.formats.rejects import write_rejects
from engine.formats.source import FormatError, Source
from engine.formats.target import Outgoing
from engine.formats.watch import Watch


@dataclass(frozen=True, slots=True)
class Format:
    """A format as a dialog lists it."""

    name: str
    title: str
    suffixes: tuple[str, ...]  # the first is the one for new files
    exact: bool = False  # what is written comes back the same


FORMATS: dict[str, Format] = {
    entry.name: entry
    for entry in (
        Format("jsonl", "MeG Studio edits (JSON Lines)", (".jsonl",), exact=True),
        Format("json", "MeG Studio edits (JSON)", (".json",), exact=True),
        Format("csv", "Table (CSV)", (".csv",)),
        Format("tsv", "Table (TSV)", (".tsv", ".tab")),
        Format("easyedit", "EasyEdit", (".json", ".jsonl")),
        Format("counterfact", "CounterFact", (".json", ".jsonl")),
        Format("zsre", "zsRE (MEND)", (".json", ".jsonl")),
        Format("knowedit", "KnowEdit", (".json", ".jsonl")),
        Format("huggingface", "Hugging Face data set (folder)", ("",)),
    )
}
TABLE_SUFFIXES = (*FORMATS["csv"].suffixes, *FORMATS["tsv"].suffixes)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """What a file does not say of itself."""

    zsre_target: zsre.TargetKey | None = None  # the key of zsRE that holds the new object
    encoding: str = "utf-8"
    delimiter: csv.Delimiter | None = None
    columns: Mapping[str, str] | None = None  # a table's header cell or a record's key -> our column, empty: left out
    skip_rows: int = 0  # lines above a table's header


@dataclass(frozen=True, slots=True)
class Converted:
    """Both halves of a conversion."""

    imported: Imported
    written: Written


def read_edits(
    path: Path,
    format: str | None = None,
    *,
    relations: Mapping[str, Relation] | None = None,
    options: ReadOptions | None = None,
    watch: Watch | None = None,
) -> Imported:
    """The edits of the file at `path`, in the format that its content shows unless one is named.

    `relations`, by id, are those that rows may name; see `Intake`. Bad rows are in the account that is given back;
    raises FormatError where the file as a whole cannot be read, Cancelled where `watch` says so.
    """
    options = options or ReadOptions()
    if (_known(format) if format else None) == huggingface.NAME or (format is None and huggingface.is_dataset(path)):
        return huggingface.read(path, relations or {}, watch=watch)
    source = Source.open(path, options.encoding, watch)
    return read_source(source, format, relations=relations, options=options)


def read_source(
    source: Source,
    format: str | None = None,
    *,
    relations: Mapping[str, Relation] | None = None,
    options: ReadOptions | None = None,
) -> Imported:
    """`read_edits` for text that is already in memory."""
    options = options or ReadOptions()
    relations = relations or {}
    if format is None and (options.columns or options.skip_rows or options.delimiter):
        format = "jsonl" if is_json(source) else "csv"
    match _known(format) if format else detect(source):
        case "jsonl" | "json":
            return jsonl.read(source, relations, columns=options.columns)
        case huggingface.NAME:
            raise FormatError(f"{source.name} is a file: a Hugging Face data set is a folder.")
        case "easyedit":
            return easyedit.read(source, relations)
        case "counterfact":
            return counterfact.read(source, relations)
        case "knowedit":
            return knowedit.read(source, relations)
        case "zsre":
            if options.zsre_target is None:
                raise FormatError(
                    f"{source.name} is a zsRE file, and it does not say which key holds the new object: choose “alt” "
                    "(as EasyEdit does) or “answers” (as MEMIT does)."
                )
            return zsre.read(source, relations, target=options.zsre_target)
        case table:
            return csv.read(
                source,
                relations,
                delimiter="\t" if table == "tsv" else options.delimiter,
                columns=options.columns,
                skip_rows=options.skip_rows,
            )


def write_edits(
    edit_set: EditSet,
    path: Path,
    format: str | None = None,
    *,
    spreadsheet_safe: bool = False,
    probe_answers: Mapping[str, str] | None = None,
) -> Written:
    """Write `edit_set` to `path`, in the format that its suffix shows unless one is named.

    `spreadsheet_safe` is for tables, see `csv.to_text`; `probe_answers` (the original model's answers by prompt) for
    the formats that have a place for them. Raises FormatError; a file that was there then stands as it was.
    """
    format = _known(format) if format else _by_suffix(path)
    if format == huggingface.NAME:
        return huggingface.write(edit_set, path)
    return _outgoing(edit_set, path, format, spreadsheet_safe, probe_answers).write()


def account_of(
    edit_set: EditSet, path: Path, format: str | None = None, *, probe_answers: Mapping[str, str] | None = None
) -> Written:
    """What `write_edits` would give, without writing: what the format cannot hold can be said before."""
    format = _known(format) if format else _by_suffix(path)
    if format == huggingface.NAME:
        return huggingface.account(edit_set, path)
    return _outgoing(edit_set, path, format, False, probe_answers).account()


def _outgoing(
    edit_set: EditSet, path: Path, format: str, spreadsheet_safe: bool, probe_answers: Mapping[str, str] | None
) -> Outgoing:
    match format:
        case "jsonl" | "json":
            return jsonl.outgoing(edit_set, path, one_list=format == "json")
        case "easyedit":
            return easyedit.outgoing(edit_set, path, probe_answers=probe_answers)
        case "counterfact":
            return counterfact.outgoing(edit_set, path)
        case "knowedit":
            return knowedit.outgoing(edit_set, path, probe_answers=probe_answers)
        case "zsre":
            return zsre.outgoing(edit_set, path, probe_answers=probe_answers)
        case table:
            delimiter: csv.Delimiter = "\t" if table == "tsv" else ","
            return csv.outgoing(edit_set, path, delimiter=delimiter, spreadsheet_safe=spreadsheet_safe)


def convert(
    source: Path,
    target: Path,
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    relations: Mapping[str, Relation] | None = None,
    options: ReadOptions | None = None,
    all_or_nothing: bool = False,
    spreadsheet_safe: bool = False,
    rejects: Path | None = None,
    dry_run: bool = False,
    watch: Watch | None = None,
) -> Converted:
    """Read `source` and write what was accepted to `target`; nothing is written where no row was accepted.

    `rejects` takes the rejected rows, where there are any. With `all_or_nothing` one rejected row is a FormatError. A
    `dry_run` gives the account of both halves and writes nothing. Raises FormatError as reading and writing do.
    """
    target_format = _known(target_format) if target_format else _by_suffix(target)
    imported = read_edits(source, source_format, relations=relations, options=options, watch=watch)
    if rejects is not None and imported.rejected_rows and not dry_run:
        write_rejects(rejects, imported)
    edit_set = imported.or_nothing() if all_or_nothing else imported.edit_set
    if not edit_set.edits and imported.rejections:
        raise FormatError(f"{imported.summary()} Nothing was written. The first: {imported.rejections[0]}")
    if dry_run:
        return Converted(imported, account_of(edit_set, target, target_format))
    return Converted(imported, write_edits(edit_set, target, target_format, spreadsheet_safe=spreadsheet_safe))


def detect(source: Source) -> str:
    """The name of the format that the content of `source` is in. Raises FormatError where it is in none."""
    if not is_json(source):
        if csv.is_table(source) or Path(source.name).suffix.lower() in TABLE_SUFFIXES:
            return "tsv" if csv.find_delimiter(csv.header_line(source)) == "\t" else "csv"
        raise FormatError(
            f"{source.name} is in no format that is known here: it is no JSON, and its first row does not name the "
            "column “new object”."
        )
    record = first_value(source)
    found = _by_keys(record)
    if found:
        return found
    if not isinstance(record, dict):
        raise FormatError(f"{source.name} is in no format that is known here: it holds no objects with keys.")
    keys = ", ".join(list(record)[:12])
    raise FormatError(f"{source.name} is in no format that is known here: its first record has {keys[:200]!a}.")


def is_json(source: Source) -> bool:
    """Whether the content begins as JSON does."""
    return source.text.lstrip(" \t\r\n").startswith(("[", "{"))


def _by_keys(record: Any) -> str | None:
    if not isinstance(record, dict):
        return None
    keys = set(record)
    if jsonl.is_header(record) or "new_object" in keys:
        return "jsonl"
    if "requested_rewrite" in keys:
        return "counterfact"
    if "src" in keys and keys & {"alt", "answers"}:
        return "zsre"
    if keys & {"prompt", "text"} and keys & {"target_new", "labels"}:
        grouped = any(isinstance(record.get(key), dict) for key in ("portability", "locality"))
        return "knowedit" if grouped or not keys >= {"prompt", "target_new"} else "easyedit"
    if any(jsonl.column_of(key) == "new object" for key in keys):
        return "jsonl"
    return None


def _known(name: str) -> str:
    if name not in FORMATS:
        raise FormatError(f"There is no format “{name}”: choose one of {', '.join(FORMATS)}.")
    return name


def _by_suffix(path: Path) -> str:
    suffix = path.suffix.lower()
    for name in ("jsonl", "csv", "tsv"):
        if suffix in FORMATS[name].suffixes:
            return name
    raise FormatError(
        f"“{path.name}” does not say which format to write: end it in .jsonl, .csv or .tsv, or choose a format "
        f"({', '.join(FORMATS)})."
    )
