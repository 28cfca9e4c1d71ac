"""A file that notices its own damage."""

from __future__ import annotations

import json

import pytest

from engine.sealed import MAX_BYTES, SealError, seal, unseal

CONTENT = {"name": "Größe", "seed": 7, "loss": 0.1, "settings": {"b": [1, 2], "a": None}}


def test_comes_back() -> None:
    assert unseal(seal(CONTENT)) == CONTENT
    assert unseal(seal({"pair": (1, 2)})) == {"pair": [1, 2]}


def test_every_flipped_bit_is_noticed() -> None:
    data = seal(CONTENT)
    same = 0
    for position in range(len(data)):
        for bit in range(8):
            altered = bytearray(data)
            altered[position] ^= 1 << bit
            try:
                same += unseal(bytes(altered)) == CONTENT  # white space may change
            except SealError:
                continue
            assert unseal(bytes(altered)) == CONTENT
    assert same < len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no valid JSON"),
        (b"\xff", "it is no text"),
        (b"[]", "no object with keys"),
        (b"{}", "does not match its own hash"),
        (b'{"a": 1, "a": 1}', "twice"),
        (b" " * (MAX_BYTES + 1), "larger than any of its kind"),
        (json.dumps({**CONTENT, "sha256": "0" * 64}).encode(), "does not match its own hash"),
    ],
)
def test_refuses(data: bytes, reason: str) -> None:
    with pytest.raises(SealError, match=reason):
        unseal(data)


def test_what_is_no_json_cannot_be_sealed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"loss": float("nan")})
