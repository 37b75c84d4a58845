"""The job that the benches of the service send: bars after a short typed prime, in the model's default manner."""

from __future__ import annotations

from typing import Any

from core.catalog import Card

BARS = 8
MELODY = {"format": "notes", "notes": "D4:1 F4:0.5 A4:0.5 D5:1 A4:1 Bb4:0.5 A4:0.5 G4:0.5 F4:0.5 E4:1 r:1"}
BEAT = {"format": "beats", "beats": {"kick": "x...x...x...x...", "snare": "....x.......x...", "closed hat": "x.x.x.x.x.x.x.x."}}


def job(card: Card, bars: int, seed: int) -> dict[str, Any]:
    """The request, as JSON has it."""
    percussion = card.playable is not None and card.playable.percussion
    prime = BEAT if percussion else MELODY
    asked = {"kind": "music", "task": "continue", "model": card.name, "prime": prime}
    return {**asked, "attributes": {"bars": bars}, "sampling": {"seed": seed}}
