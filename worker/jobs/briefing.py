"""From an admitted request to the core's Brief."""

from __future__ import annotations

from core.brief import Brief
from core.music.piece import Piece
from worker.jobs.request import GenerationRequest


def brief_of(request: GenerationRequest, prime: Piece | None) -> Brief:
    """`request` has been through `admit`: its seed, its bars and its sampling are filled in."""
    asked = request.attributes
    length = request.length
    return Brief(
        sampling=request.sampling.params(),
        variations=request.variations,
        prime=prime,
        attributes={"style": asked.style, "meter": asked.meter, "key": asked.key, "tempo": asked.tempo},
        bars=asked.bars or 0,
        prompt=request.prompt or "",
        words=length.words if length else None,
        sentences=length.sentences if length else None,
        stop=request.stop,
    )
