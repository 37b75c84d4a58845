"""A piece of music as everything in Ritornello passes it around: immutable, torch-free, exact to the tick."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_TEMPO_MICROSECONDS = 500_000  # a quarter note at 120 beats a minute, as MIDI assumes


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One sounding note. Times are ticks from the start of the piece; pitch and velocity as in MIDI."""

    start: int
    duration: int
    pitch: int
    velocity: int = 80

    @property
    def end(self) -> int:
        return self.start + self.duration


@dataclass(frozen=True, slots=True)
class Track:
    """The notes of one instrument, sorted by (start, pitch). `program` is General MIDI 0–127."""

    notes: tuple[Note, ...] = ()
    program: int = 0
    percussion: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class TempoChange:
    tick: int
    microseconds_per_quarter: int


@dataclass(frozen=True, slots=True)
class MeterChange:
    tick: int
    numerator: int
    denominator: int


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key signature: `sharps` from −7 (seven flats) to 7; `mode` is major, minor, dorian or mixolydian.

    MIDI itself knows only major and minor: a file has the signature's major or minor, and a marker that says which mode.
    """

    tick: int
    sharps: int
    mode: str = "major"


@dataclass(frozen=True, slots=True)
class Piece:
    """Tracks over one common clock. `ticks_per_quarter` is the MIDI division, 24–9600."""

    ticks_per_quarter: int
    tracks: tuple[Track, ...]
    tempos: tuple[TempoChange, ...] = ()
    meters: tuple[MeterChange, ...] = ()
    keys: tuple[KeyChange, ...] = ()
    length: int = 0
    """Ticks that the piece lasts when it ends in silence (a rest, a grid's empty last steps); 0: until its last note ends."""

    @property
    def end(self) -> int:
        """The tick at which the piece is over: its length, or the end of its last note if that is later."""
        last_note = max((note.end for track in self.tracks for note in track.notes), default=0)
        return max(self.length, last_note)

    @property
    def note_count(self) -> int:
        return sum(len(track.notes) for track in self.tracks)

    @property
    def microseconds_per_quarter(self) -> int:
        """The first tempo, or MIDI's default."""
        return self.tempos[0].microseconds_per_quarter if self.tempos else DEFAULT_TEMPO_MICROSECONDS

    @property
    def meter(self) -> tuple[int, int]:
        """The first metre, or MIDI's default of 4/4."""
        return (self.meters[0].numerator, self.meters[0].denominator) if self.meters else (4, 4)

    def bar_ticks(self) -> int:
        """Length of a bar of the first metre, in ticks of this piece."""
        numerator, denominator = self.meter
        return self.ticks_per_quarter * 4 * numerator // denominator
