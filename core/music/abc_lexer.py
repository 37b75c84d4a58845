"""ABC text (abcnotation.com/wiki/abc:standard:v2.1) cut into tokens, each with its line and column."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from core.errors import NotationError

# What may stand between two exclamation marks as a decoration although it could also be read as notes.
NOTE_LIKE_DECORATIONS = frozenset({"f", "ff", "fff", "ffff", "D.C.", "D.C"})

PITCH = r"(?P<accidental>\^{1,2}|_{1,2}|=)?(?P<letter>[A-Ga-g])(?P<octave>[,']*)"
LENGTH = r"\d{0,4}(?:/{1,7}\d{0,3})?+(?!\d)"
TOKEN = re.compile(
    rf"""
    (?P<space> [ \t`]+ )
  | (?P<note> {PITCH} (?P<note_length> {LENGTH} ) )
  | (?P<bar> (?: \[(?=\|) | \| | :(?=[|:\]]|\[\|) ) (?: [|:\]] | \[(?=[|\]]) )*
             (?: [ \t]* \[? (?P<bar_ending> [1-9] ) [\d,-]* )? )
  | (?P<only_ending> \[ (?P<ending> [1-9] ) [\d,-]* )
  | (?P<field> \[ (?P<name> [A-Za-z] ) : (?P<value> [^\]]* ) \] )
  | (?P<rest> (?P<rest_sign> [zxZ] ) (?P<rest_length> {LENGTH} ) )
  | (?P<tuplet> \( (?P<notes> [2-9] ) (?: : (?P<in_time> [1-9]? ) (?: : (?P<count> [1-9]? ) )? )? )
  | (?P<broken> >{{1,3}} | <{{1,3}} )
  | (?P<chord> \[ (?=[^|\]\d]) )
  | (?P<chord_end> \] (?P<chord_length> {LENGTH} ) )
  | (?P<tie> - )
  | (?P<decoration> ! (?P<decoration_name> [^!|\[\]\s]+ ) ! )
  | (?P<ignored>
        " [^"]* " | \{{ [^{{}}]* \}} | \+ [^+|\s]*[H-Zh-z.()<>][^+|\s]* \+
      | [~.uvHLMOPST()] | [IJKNQRUVWh-tw] (?![IJKNQRUVWh-tw]) | y\d* | \\ [ \t]* (?=$|%) | [!$]
    )
  | (?P<comment> %.* )
    """,
    re.VERBOSE,
)
NOTES_ONLY = re.compile(r"(?=.*[A-Ga-g])[A-Ga-gxyz\d,'/^_=<>(){}.~-]+")
# Some letters are never fields among the music, so that a line `A:|` or `z:|` is read as a note or a rest.
FIELD_LINE = re.compile(r"(?P<name>[A-Za-z]):(?![|:])(?P<value>[^%]*)")
NO_BODY_FIELD = frozenset("ABCDEFGabcdefgxyz")
PROGRAM_LINE = re.compile(r"%%MIDI\s+program\s+(?:\d+\s+)?(?P<program>\d{1,3})\s*$")


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is field, program, note, rest, chord, chord_end, bar, tuplet, broken or tie; `match` has its parts by name."""

    kind: str
    match: re.Match[str]
    line: int
    column: int

    def refuse(self, what: str) -> NoReturn:
        """Raise a NotationError that points here."""
        refuse(self.line, self.column, what)


def refuse(line: int, column: int, what: str) -> NoReturn:
    raise NotationError(f"ABC, line {line}, column {column}: {what}", field="prime")


def tokenize(text: str) -> Iterator[Token]:
    """Everything that sounds, or says how. Raises NotationError at the first character that is no ABC.

    Left out are comments, grace notes, slurs, decorations, chord symbols and annotations.
    """
    in_header = re.search(r"^K:", text, re.MULTILINE) is not None
    for number, line in enumerate(text.splitlines(), start=1):
        field = FIELD_LINE.match(line)
        if program := PROGRAM_LINE.match(line):
            yield Token("program", program, number, 1)
        elif line.startswith(("%", "+:")):
            continue
        elif field and (in_header or field["name"] not in NO_BODY_FIELD):
            in_header = in_header and field["name"] != "K"
            yield Token("field", field, number, 1)
        elif not in_header:
            yield from _music(line, number)
        elif line.strip():
            refuse(number, 1, f"{line.strip()[:20]!r} stands in the header: only lines such as `M:6/8` may come before `K:`.")


def _music(line: str, number: int) -> Iterator[Token]:
    at = 0
    while at < len(line):
        match = TOKEN.match(line, at)
        if not match:
            unclosed = {'"': 'the text in `"…"` is not closed.', "{": "the grace notes in `{…}` are not closed."}
            refuse(number, at + 1, unclosed.get(line[at], f"{line[at : at + 8]!r} is not ABC that we can read."))
        kind = match.lastgroup or ""
        at = match.end()
        if kind == "decoration":
            name = match["decoration_name"]
            if name not in NOTE_LIKE_DECORATIONS and NOTES_ONLY.fullmatch(name):
                at = match.start() + 1  # not a decoration but the line break of ABC 1.6, with notes after it
        elif kind == "comment":
            return
        elif kind not in ("space", "ignored"):
            yield Token("bar" if kind == "only_ending" else kind, match, number, match.start() + 1)
