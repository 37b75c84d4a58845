"""What the pages call things, in the reader's language: keys, styles, drums, a job's states, and the errors people meet most."""

from __future__ import annotations

import re

from flask_babel import get_locale
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

STATUSES = {
    "queued": _l("waiting"),
    "running": _l("playing"),
    "succeeded": _l("done"),
    "failed": _l("failed"),
    "cancelled": _l("cancelled"),
    "expired": _l("expired"),
}

FINISHES = {
    "bars": _l("ended at the bar asked for"),
    "end": _l("came to an end of its own"),
    "length": _l("reached the limit of notes"),
    "words": _l("ended at the word asked for"),
    "sentences": _l("ended at the sentence asked for"),
    "stop": _l("ended before the stop text"),
}

STYLES = {
    "air": _l("air"), "barndance": _l("barndance"), "hornpipe": _l("hornpipe"), "jig": _l("jig"), "march": _l("march"),
    "mazurka": _l("mazurka"), "polka": _l("polka"), "reel": _l("reel"), "slide": _l("slide"), "slip jig": _l("slip jig"),
    "song": _l("song"), "strathspey": _l("strathspey"), "three-two": _l("three-two"), "waltz": _l("waltz"),
    "blues": _l("blues"), "country": _l("country"), "dance": _l("dance"), "funk": _l("funk"), "gospel": _l("gospel"),
    "hip-hop": _l("hip-hop"), "jazz": _l("jazz"), "latin": _l("Latin"), "middle eastern": _l("Middle Eastern"),
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
    "unplayable_prime": _l("The opening has notes that this model cannot play."),
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


def choice_label(attribute: str, name: str) -> str:
    """How one choice of a card's attribute reads on the page."""
    return {"key": key_label, "style": style_label}.get(attribute, str)(name)


def in_language(texts: dict[str, str]) -> str:
    """A card's text in the reader's language, or in English, or in whatever there is."""
    return texts.get(str(get_locale())) or texts.get("en") or next(iter(texts.values()), "")
