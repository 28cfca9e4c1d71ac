"""A JSON object that carries its own hash, so that one flipped bit in it is noticed: manifests and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.atomic import sha256
from engine.strict_json import JsonFault, canonical, dump, parse

SEAL = "sha256"
MAX_BYTES = 16 * 2**20


class SealError(ValueError):
    """A text that is no sealed object, or was altered since; the message is a clause that says why."""


def seal(content: Mapping[str, Any]) -> bytes:
    """`content` as a file: readable JSON with its hash as the last key. Raises ValueError for NaN and infinities."""
    # Through JSON once, so that the hash is of what a reader will find: lists for tuples, texts for keys.
    plain = parse(dump(content))
    return dump({**plain, SEAL: sha256(canonical(plain))}, indent=2).encode() + b"\n"


def unseal(data: bytes) -> dict[str, Any]:
    """The content of a sealed file, without its hash. Raises SealError."""
    if len(data) > MAX_BYTES:
        raise SealError("it is larger than any of its kind")
    try:
        content = parse(data.decode())
    except UnicodeDecodeError:
        raise SealError("it is no text") from None
    except JsonFault as error:
        raise SealError(str(error)) from None
    if not isinstance(content, dict):
        raise SealError("it is no object with keys")
    hash_in_file = content.pop(SEAL, None)
    if hash_in_file != sha256(canonical(content)):
        raise SealError("its content does not match its own hash")
    return content
