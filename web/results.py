"""What the page of a job shows of its results: pictures for music, prompt and continuation for text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from markupsafe import Markup

from core.music.beats import DRUMS
from core.music.midi import read_own_midi
from core.music.pianoroll import piano_roll_svg
from core.music.piece import Piece
from web.beat_grid import DRUM_LABELS
from web.renderings import Offer, available
from web.wording import FINISHES, choice_label
from worker.jobs.store import JobRecord, JobStore

DOWNLOADS = {"mid": "MIDI", "musicxml": "MusicXML", "abc": "ABC", "txt": "TXT"}


@dataclass(frozen=True)
class Variation:
    """One result, ready to be shown. Music has `picture`, text has `prompt` and `continuation`."""

    number: int
    seed: int
    finish: str
    decided: str
    """What the model was told or decided, such as "reel, D major, 4/4"; empty for text."""
    figures: dict[str, Any]
    artifact: str
    downloads: list[tuple[str, Offer]] = field(default_factory=list)
    picture: Markup | None = None
    drums: bool = False
    """The picture's rows have drums' names."""
    prompt: str = ""
    continuation: str = ""


def variations(record: JobRecord, store: JobStore) -> Iterator[Variation]:
    """Every result of a job that has succeeded; none of another."""
    offers = available(record, store)
    for result in record.results:
        number, figures = result["variation"], result["figures"]
        downloads = [
            (DOWNLOADS[suffix], offer)
            for offer in offers
            if offer.variation == number and (suffix := offer.name.rpartition(".")[2]) in DOWNLOADS
        ]
        shown: dict[str, Any] = {
            "number": number,
            "seed": result["seed"],
            "finish": str(FINISHES.get(result["finish_reason"], result["finish_reason"])),
            "decided": ", ".join(choice_label(name, value) for name, value in result.get("attributes", {}).items()),
            "figures": figures,
            "artifact": downloads[0][1].name,
            "downloads": downloads,
        }
        data = store.artifact(record.id, shown["artifact"]).data
        if record.kind == "text":
            text, cut = data.decode(), figures.get("prompt_characters", 0)
            yield Variation(**shown, prompt=text[:cut], continuation=text[cut:])
        else:
            piece = read_own_midi(data)
            drums = any(track.percussion for track in piece.tracks)
            yield Variation(**shown, picture=_picture(piece, figures.get("prime_end_tick", 0), number), drums=drums)


def _picture(piece: Piece, prime_end_tick: int, number: int) -> Markup:
    labels = {drum: str(DRUM_LABELS.get(pitch, drum)) for drum, pitch in DRUMS.items()}
    labels |= {"prime": _("prime"), "continuation": _("continuation"), "title": _("Variation %(number)s", number=number)}
    svg = piano_roll_svg(piece, prime_end_tick, labels)
    for reference in ('id="{}"', "url(#{})"):  # several pictures stand in one page, and an id only once
        svg = svg.replace(reference.format("hatch"), reference.format(f"hatch-{number}"))
    return Markup(svg)  # made by us, from numbers and escaped labels
