"""From a job back to the form: again with these settings, or a result as the prime."""

from __future__ import annotations

from core.errors import AppError, NotFound
from core.music.beats import DRUMS, read_beats
from core.music.codec import piece_from_json
from core.music.notes import read_notes, write_notes
from core.music.piece import Piece
from web.beat_grid import BARS, STEPS_PER_BAR
from web.forms import KNOBS, LISTED_CHOICES, StudioForm
from web.renderings import MIDI, PRIME, rendering
from worker.jobs.client import JobClient
from worker.jobs.request import GenerationRequest
from worker.jobs.store import JobRecord, JobStore


def form_again(record: JobRecord, store: JobStore) -> StudioForm:
    """The form as it was for this job, its seed among the rest."""
    request = GenerationRequest.model_validate_json(record.request)
    form = StudioForm(request.kind, _values(request))
    if request.kind == "text":
        return form
    stored = store.prime(record.id) if record.has_prime else None
    form.values["prime_format"] = "none"
    if stored is not None:
        _show_prime(form, piece_from_json(stored), f"{record.id}/{PRIME}")
    return form


def form_onwards(record: JobRecord, artifact: str, store: JobStore) -> StudioForm:
    """The form of this job with one of its results as the prime (or the prompt), and a seed still to be drawn."""
    form = form_again(record, store)
    form.values.pop("seed", None)
    form.hits = frozenset()
    if form.kind == "text":
        form.values["prompt"] = store.artifact(record.id, artifact).data.decode()
    else:
        form.use_prime(f"{record.id}/{artifact}")
    return form


def prime_bytes(reference: str, owner: str, jobs: JobClient, store: JobStore) -> bytes:
    """The MIDI file behind `job/artifact`. Raises NotFound, also for a job of another owner."""
    job_id, _slash, name = reference.partition("/")
    try:
        artifact = rendering(store, jobs.get(job_id, owner), name)
    except NotFound as error:
        raise NotFound(error.message, field="prime") from error
    if artifact.media_type != MIDI:
        raise NotFound("Only a MIDI file can be the prime.", field="prime")
    return artifact.data


def _values(request: GenerationRequest) -> dict[str, str]:
    """A request's settings, as they are typed."""
    settings: dict[str, object] = {name: getattr(request.sampling, name) for name in (*KNOBS, "seed")}
    settings |= {name: getattr(request.attributes, name) for name in (*LISTED_CHOICES, "tempo", "bars")}
    settings |= {"model": request.model, "prompt": request.prompt, "variations": request.variations}
    if request.length is not None:
        unit = "words" if request.length.sentences is None else "sentences"
        settings |= {"length": getattr(request.length, unit), "length_unit": unit}
    settings["stop"] = "\n".join(text.replace("\n", "\\n") for text in request.stop)
    return {name: _typed(value) for name, value in settings.items() if value not in (None, "")}


def _typed(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _show_prime(form: StudioForm, prime: Piece, reference: str) -> None:
    """Show the prime as it can be edited where that says the very same; else refer to it."""
    if (beats := _as_beats(prime)) is not None:
        form.use_beats(beats)
    elif (notes := _as_notes(prime)) is not None:
        form.values |= {"prime_format": "notes", "notes": notes}
    else:
        form.use_prime(reference)


def _as_notes(prime: Piece) -> str | None:
    try:
        notes = write_notes(prime)
        return notes if read_notes(notes) == prime else None
    except AppError:
        return None


def _as_beats(prime: Piece) -> dict[str, str] | None:
    names = {pitch: drum for drum, pitch in DRUMS.items()}
    step_ticks = prime.ticks_per_quarter // 4
    for steps in (STEPS_PER_BAR * bars for bars in range(1, BARS + 1)):
        struck = {(names.get(note.pitch, ""), note.start // step_ticks) for track in prime.tracks for note in track.notes}
        beats = {drum: "".join("x" if (drum, step) in struck else "." for step in range(steps)) for drum in DRUMS}
        used = {drum: line for drum, line in beats.items() if "x" in line}
        if used and read_beats(used) == prime:
            return used
    return None
