"""`meg models`: the models and devices at hand."""

from __future__ import annotations


def models() -> None:
    """List the models and devices at hand."""
    from engine.device import available_devices
    from engine.model_files import available

    for choice in available():
        print(f"{choice.name}\t{'complete' if choice.complete else 'incomplete'}\t{choice.path}")
    print(f"devices\t{', '.join(available_devices())}")
