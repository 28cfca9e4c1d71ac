"""How torch's threads wait for each other on a CPU: they spin for a moment, then sleep.

GNU OpenMP, on which torch's Linux builds stand, reads its settings when torch is loaded. Left alone its threads spin
for milliseconds: beside another program that holds up everybody. Put to sleep at once, they are woken thousands of
times a second, and a training on two quiet cores takes half as long again.
"""

from __future__ import annotations

from collections.abc import MutableMapping

POLICY, SPINS = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"
BRIEFLY = 5_000
"""Turns of the waiting loop, some tens of microseconds: longer than most waits of a small model."""


def spin_briefly(environment: MutableMapping[str, str]) -> None:
    """Have threads of a torch that is loaded after this call spin BRIEFLY, unless the user chose how they wait."""
    if POLICY not in environment:
        environment.setdefault(SPINS, str(BRIEFLY))
