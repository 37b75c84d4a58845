"""The studio's form: what was typed becomes a GenerationRequest; what is wrong is told at its field; nothing typed is lost."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from flask_babel import gettext as _
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from werkzeug.datastructures import MultiDict

from core.errors import AppError
from web.beat_grid import FIRST_PRESET, STEPS_PER_BAR, hits_of, presets, read_hits
from web.wording import SAID_IN_FULL, error_lead
from worker.jobs.client import fingerprint
from worker.jobs.prime import MAX_MIDI_BYTES
from worker.jobs.request import GenerationRequest

LISTED_CHOICES = ("key", "meter", "style")
PRIME_FIELDS = {"midi": "prime_file", "notes": "notes", "abc": "abc", "beats": "beats", "result": "prime_from"}
"""How a prime may be given, and the field that holds it; besides, `none`."""

EXAMPLES = {
    "notes": "D4:0.5 F4:0.5 A4:0.5 D5:1 A4:0.5 | Bb4:0.5 A4:0.5 G4:0.5 F4:1.5",
    "abc": "X:1\nM:6/8\nL:1/8\nK:Dm\nDFA d2A | BAG F3 |",
}
"""Openings to try, by the way they are written."""

FIELDS = (
    "model", "prime_format", "notes", "abc", "prime_from", "prompt", "length", "length_unit", "stop",
    *LISTED_CHOICES, "tempo", "bars", "temperature", "top_k", "top_p", "repetition_penalty", "seed", "new_seed", "variations",
)  # fmt: skip
# A field of the request has the form field of the same name, but for these.
PATHS = {"task": "prime_format", "prime": "prime_format", "words": "length", "sentences": "length"}
KNOBS = {"temperature": False, "top_k": True, "top_p": False, "repetition_penalty": False}  # True: a whole number


@dataclass(frozen=True)
class Fault:
    """What is wrong with a field ("" for the form as a whole). `detail` is the core's own sentence, in English."""

    field: str
    message: str
    detail: str = ""


@dataclass
class StudioForm:
    """The typed values by field name, all strings; the ticked cells of the beat grid, such as `snare:6`; and the faults."""

    kind: str
    values: dict[str, str] = field(default_factory=dict)
    hits: frozenset[str] = frozenset()
    faults: list[Fault] = field(default_factory=list)
    key: str = field(default_factory=lambda: secrets.token_hex(16))
    """The idempotency key: one for each form that is shown."""

    @classmethod
    def submitted(cls, kind: str, sent: MultiDict[str, str]) -> StudioForm:
        values = {name: sent[name].replace("\r\n", "\n") for name in FIELDS if sent.get(name)}
        form = cls(kind, values, frozenset(sent.getlist("hit")))
        if re.fullmatch(r"[0-9a-f]{32}", key := sent.get("idempotency_key", "")):
            form.key = key
        return form

    def value(self, name: str) -> str:
        return self.values.get(name, "")

    def fault(self, name: str) -> Fault | None:
        return next((fault for fault in self.faults if fault.field == name), None)

    @property
    def prime_format(self) -> str:
        return self.value("prime_format") or "none"

    @property
    def uses_second_bar(self) -> bool:
        return any(len(steps) > STEPS_PER_BAR for steps in read_hits(self.hits).values())

    def use_prime(self, reference: str) -> None:
        """Take a stored result, `job/artifact`, for the prime."""
        self.values |= {"prime_format": "result", "prime_from": reference}

    def begin_with(self, way: str) -> None:
        """Choose a way to begin, with something to begin from: whoever comes here first need only press the button."""
        self.values["prime_format"] = way
        if way == "beats" and not self.hits:
            self.use_beats(presets()[FIRST_PRESET])
        elif way in EXAMPLES and not self.value(way):
            self.use_example(way)

    def use_example(self, way: str) -> None:
        """Fill in an opening to try: notes or ABC."""
        self.values |= {"prime_format": way, way: EXAMPLES[way]}

    def use_beats(self, beats: dict[str, str]) -> None:
        self.values["prime_format"] = "beats"
        self.hits = hits_of(beats)

    def request(self, midi: bytes) -> GenerationRequest | None:
        """The request that the form asks for; None when there are faults. `midi` is the prime's file, uploaded or stored."""
        body: dict[str, Any] = {
            "kind": self.kind,
            "model": self.value("model") or None,
            "sampling": {name: self._number(name, whole) for name, whole in KNOBS.items()},
            "variations": 1 if (variations := self._number("variations", whole=True)) is None else variations,
        }
        body["sampling"]["seed"] = None if self.value("new_seed") else self._number("seed", whole=True)
        body |= self._text() if self.kind == "text" else self._music(midi)
        try:
            asked = GenerationRequest.model_validate(body)
        except ValidationError as error:
            found = [self._pydantic_fault(each) for each in error.errors(include_input=False, include_url=False)]
            self.faults += [fault for fault in found if not fault.field or self.fault(fault.field) is None]
            return None
        return None if self.faults else asked

    def blame(self, error: AppError) -> None:
        """Note an error of the core at the field that it names."""
        self.faults.append(error_fault(self._field_of(getattr(error, "field", None) or ""), error.code, error.message))

    def idempotency_key(self, request: GenerationRequest) -> str:
        """One key for a form and what it says: a double click is one job; going back and changing something is another."""
        return f"{self.key}-{fingerprint(request)[:16]}"

    def _text(self) -> dict[str, Any]:
        amount = self._number("length", whole=True)
        unit = "sentences" if self.value("length_unit") == "sentences" else "words"
        return {
            "task": "continue" if self.value("prompt") else "compose",
            "prompt": self.value("prompt") or None,
            "length": None if amount is None else {unit: amount},
            "stop": [line.replace("\\n", "\n") for line in self.value("stop").split("\n") if line],
        }

    def _music(self, midi: bytes) -> dict[str, Any]:
        attributes: dict[str, Any] = {name: self.value(name) or None for name in LISTED_CHOICES}
        attributes |= {"tempo": self._number("tempo", whole=False), "bars": self._number("bars", whole=True)}
        prime = self._prime(midi)
        return {"task": "continue" if prime else "compose", "prime": prime, "attributes": attributes}

    def _prime(self, midi: bytes) -> dict[str, Any] | None:
        """The prime as the request has it; None for none, and where there is a fault."""
        match self.prime_format:
            case "midi" | "result" as way:
                if len(midi) > MAX_MIDI_BYTES:
                    self._fault(PRIME_FIELDS[way], _("The file is larger than 1 MB."))
                    return None
                if not midi:
                    self._fault(PRIME_FIELDS[way], _("Choose a MIDI file."))
                    return None
                return {"format": "midi", "midi": base64.b64encode(midi).decode()}
            case "notes" | "abc" as way:
                if not self.value(way).strip():
                    self._fault(way, _("Write some notes, or choose another way to begin."))
                    return None
                return {"format": way, way: self.value(way)}
            case "beats":
                beats = read_hits(self.hits)
                if not beats:
                    self._fault("beats", _("Tick at least one beat, or choose another way to begin."))
                    return None
                return {"format": "beats", "beats": beats}
            case _:
                return None

    def _number(self, name: str, whole: bool) -> float | None:
        text = self.value(name).strip().replace(",", ".")  # 0,9 is how Portuguese writes it
        if not text:
            return None
        try:
            return int(text) if whole else float(text)
        except ValueError:
            self._fault(name, _("Write a whole number here.") if whole else _("Write a number here."))
            return None

    def _fault(self, name: str, message: str) -> None:
        self.faults.append(Fault(name, message))

    def _field_of(self, path: str) -> str:
        """The form's field for a dotted path into the request."""
        first, _dot, _rest = path.partition(".")
        last = path.rpartition(".")[2]
        if first == "prime":
            return PRIME_FIELDS.get(self.prime_format, "prime_format")
        name = PATHS.get(last, last)
        return name if name in FIELDS else ""

    def _pydantic_fault(self, found: ErrorDetails) -> Fault:
        name = self._field_of(".".join(str(part) for part in found["loc"]))
        context = found.get("ctx", {})
        match found["type"]:
            case "greater_than_equal":
                return Fault(name, _("This must be at least %(limit)s.", limit=f"{context['ge']:g}"))
            case "less_than_equal":
                return Fault(name, _("This must be at most %(limit)s.", limit=f"{context['le']:g}"))
            case "finite_number":
                return Fault(name, _("Write a number here."))
            case "string_too_long":
                return Fault(name, _("This is too long: at most %(limit)s characters.", limit=context["max_length"]))
            case "too_long":
                return Fault(name, _("These are too many: at most %(limit)s.", limit=context["max_length"]))
            case _:
                return error_fault(name, "invalid_field", found["msg"].removeprefix("Value error, "))


def error_fault(name: str, code: str, message: str) -> Fault:
    """An error of the core as a fault. Its own sentence is left out where ours says the same."""
    return Fault(name, error_lead(code), "" if code in SAID_IN_FULL else message)
