"""What the pages call things, in the reader's language: keys, styles, drums, a job's states, and the errors people meet most."""

from __future__ import annotations

import re

from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

STATUSES = {
    "queued": _l("waiting"),
    "running": _l("at work"),
    "succeeded": _l("done"),
    "failed": _l("failed"),
    "cancelled": _l("cancelled"),
    "expired": _l("expired"),
}

FINISHES = {
    "bars": _l("as many bars as asked for"),
    "end": _l("it came to its own end"),
    "length": _l("it reached the limit of its length"),
    "words": _l("as many words as asked for"),
    "sentences": _l("as many sentences as asked for"),
    "stop": _l("it met a text to stop before"),
}

FIELD_LABELS = {
    "model": _l("The model"), "prime_format": _l("The prime"), "prime_file": _l("A MIDI file"), "notes": _l("Notes"),
    "abc": _l("A tune in ABC"), "beats": _l("Beat grid"), "prime_from": _l("A result of yours"), "prompt": _l("Your prompt"),
    "bars": _l("Bars"), "style": _l("Style"), "key": _l("Key"), "meter": _l("Metre"), "tempo": _l("Tempo"),
    "length": _l("Length"), "stop": _l("Stop before"), "variations": _l("Variations"), "temperature": _l("Temperature"),
    "seed": _l("Seed"), "top_k": _l("Top-k"), "top_p": _l("Top-p"), "repetition_penalty": _l("Repetition penalty"),
}  # fmt: skip

# The names in the cards; a style that is not here is shown as the card has it.
STYLES = {
    "air": _l("air"), "clog": _l("clog"), "fling": _l("fling"), "hornpipe": _l("hornpipe"), "jig": _l("jig"),
    "march": _l("march"), "polka": _l("polka"), "reel": _l("reel"), "schottische": _l("schottische"), "slip jig": _l("slip jig"),
    "song": _l("song"), "strathspey": _l("strathspey"), "waltz": _l("waltz"),
    "afrobeat": _l("Afrobeat"), "afrocuban": _l("Afro-Cuban"), "blues": _l("blues"), "country": _l("country"),
    "dance": _l("dance music"), "funk": _l("funk"), "gospel": _l("gospel"), "highlife": _l("highlife"),
    "hiphop": _l("hip-hop"), "jazz": _l("jazz"), "latin": _l("Latin"), "middleeastern": _l("Middle Eastern"),
    "neworleans": _l("New Orleans"), "pop": _l("pop"), "punk": _l("punk"), "reggae": _l("reggae"), "rock": _l("rock"),
    "soul": _l("soul"),
}  # fmt: skip

MODES = {"major": _l("%(note)s major"), "minor": _l("%(note)s minor"), "dorian": _l("%(note)s dorian"),
         "mixolydian": _l("%(note)s mixolydian")}  # fmt: skip
NOTES = {"A": _l("A"), "B": _l("B"), "C": _l("C"), "D": _l("D"), "E": _l("E"), "F": _l("F"), "G": _l("G")}

ERRORS = {
    "invalid_field": _l("We cannot use what stands in this field."),
    "unknown_model": _l("There is no model of that name."),
    "unsupported_task": _l("This model cannot do that."),
    "unplayable_prime": _l("The prime has notes that this model cannot play."),
    "invalid_midi": _l("This is not a MIDI file that we can read."),
    "invalid_notation": _l("We could not read these notes."),
    "input_too_costly": _l("Reading this would take too much time or memory."),
    "not_found": _l("This is not here, or no longer."),
    "not_ready": _l("There is no result yet."),
    "queue_full": _l("Too many jobs are waiting. Please try again in a moment."),
    "store_unavailable": _l("The store of jobs does not answer. Please try again in a moment."),
    "worker_lost": _l("The workers that ran this job died; it was tried three times."),
    "deadline_exceeded": _l("The job took longer than it may."),
}
SAID_IN_FULL = frozenset({"queue_full", "store_unavailable", "worker_lost", "deadline_exceeded"})
"""Errors whose own sentence never says more than ours."""


def error_lead(code: str) -> str:
    """A sentence in the reader's language for an error's code; what the core says of the case follows it in English."""
    return str(ERRORS.get(code) or _("Something went wrong."))


def key_label(name: str) -> str:
    """ "Bb minor" as it is written here: "B♭ minor", "Si♭ menor"."""
    match = re.fullmatch(r"([A-G])(#|b)? (\w+)", name)
    if not match or match[3] not in MODES:
        return name
    sign = {"#": "♯", "b": "♭", None: ""}[match[2]]
    return str(MODES[match[3]]) % {"note": f"{NOTES[match[1]]}{sign}"}


def style_label(name: str) -> str:
    return str(STYLES.get(name, name))


def tempo_label(tempo: float) -> str:
    return f"♩ = {tempo:g}"


def choice_label(attribute: str, value: str | float) -> str:
    """How one choice of an attribute reads on the page."""
    return {"key": key_label, "style": style_label, "tempo": tempo_label}.get(attribute, str)(value)


def in_language(texts: dict[str, str]) -> str:
    """A card's text in the reader's language, or in English, or in whatever there is."""
    return texts.get(str(get_locale())) or texts.get("en") or next(iter(texts.values()), "")
