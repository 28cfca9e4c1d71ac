"""How an answer is decoded: greedily, or sampled. Both models answer one question under the same settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

MAX_TOKENS = 512
"""The longest answer that may be asked for."""


class DecodingError(ValueError):
    """Settings that no answer can be decoded with; the message is one sentence for the user."""


@dataclass(frozen=True, slots=True)
class Decoding:
    """The settings of an answer; as they stand, it is greedy and ends with its first sentence."""

    temperature: float = field(
        default=0.0,
        metadata={
            "help": "0: always the likeliest token (greedy). Above it, tokens are drawn; 1: as likely as they are."
        },
    )
    top_p: float = field(
        default=1.0,
        metadata={"help": "Draw among the likeliest tokens that come to this chance together; 1: among all."},
    )
    top_k: int = field(default=0, metadata={"help": "Draw among so many of the likeliest tokens; 0: among all."})
    seed: int = field(
        default=0, metadata={"help": "The same seed draws the same random numbers for both models, every time."}
    )
    max_new_tokens: int = field(
        default=0, metadata={"help": "The longest answer in tokens; 0: 24, or as long as the new object takes."}
    )
    first_sentence: bool = field(
        default=True, metadata={"help": "End the answer with its first sentence; otherwise at its longest."}
    )

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 10:
            raise DecodingError(f"The temperature {self.temperature} is out of range: give one from 0 to 10.")
        if not 0 < self.top_p <= 1:
            raise DecodingError(f"The top-p {self.top_p} is out of range: give a chance above 0, up to 1.")
        if self.top_k < 0:
            raise DecodingError(f"The top-k {self.top_k} is out of range: give a number of tokens, or 0 for all.")
        if not 0 <= self.seed < 2**31:
            raise DecodingError(f"The seed {self.seed} is out of range: give a whole number from 0 to {2**31 - 1:,}.")
        if not 0 <= self.max_new_tokens <= MAX_TOKENS:
            raise DecodingError(
                f"{self.max_new_tokens:,} new tokens are out of range: give up to {MAX_TOKENS}, or 0 for as many as "
                "the answer takes."
            )

    @property
    def greedy(self) -> bool:
        """Whether nothing is drawn."""
        return self.temperature == 0

    def as_json(self) -> dict[str, Any]:
        """The settings as JSON has them; without those that do nothing in a greedy answer."""
        told = asdict(self)
        if self.greedy:
            told = {name: told[name] for name in ("temperature", "max_new_tokens", "first_sentence")}
        return told


GREEDY = Decoding()
