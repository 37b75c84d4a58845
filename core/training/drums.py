"""Groove MIDI: human drumming in 18 styles, on a grid of 16ths and nine drums; the official split.

Data: Gillick et al. 2019, arXiv:1905.06118 (CC BY 4.0). The reduction to nine drums is the data set's own.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from core.music.midi import read_midi
from core.music.piece import Piece
from core.music.tokenizer import MusicTokenizer
from core.music.vocabulary import MusicVocabulary
from core.training.batches import ALL_ROWS, Batch, Tokens
from core.training.buckets import Sequence, bucketed, endless
from core.training.music_batches import architecture_sizes, play

STEPS_PER_BAR = 16
SHORTEST_STEPS = 32
GENERAL_MIDI_DRUMS = {
    36: (35, 36),
    38: (37, 38, 39, 40),
    42: (22, 42, 44, 54, 69, 70),
    43: (41, 43, 58),
    46: (26, 46),
    47: (45, 47, 61, 64, 66),
    49: (49, 52, 55, 57),
    50: (48, 50, 60, 62, 63, 65),
    51: (51, 53, 56, 59),
}
"""The nine drums (kick, snare, closed hat, low tom, open hat, mid tom, crash, high tom, ride) and the General MIDI notes read
as each: the data set's own table, and beyond it the nearest relatives (hand clap as snare, congas as toms, …)."""

STYLES = (
    "rock", "funk", "jazz", "latin", "hiphop", "soul", "afrocuban", "punk", "neworleans", "country", "pop", "reggae", "gospel",
    "afrobeat", "dance", "blues", "highlife", "middleeastern",
)  # fmt: skip
TEMPOS = (40, 60, 70, 80, 90, 100, 110, 120, 130, 140, 160, 180, 200)
FORGET_ATTRIBUTE = 0.1
TELL_LENGTH = 0.5

VOCABULARY = MusicVocabulary(
    ticks_per_quarter=4,
    percussion=True,
    pitches=tuple(GENERAL_MIDI_DRUMS),
    drum_map={str(note): drum for drum, notes in GENERAL_MIDI_DRUMS.items() for note in notes},
    durations=(1,),
    voices=len(GENERAL_MIDI_DRUMS),
    styles=STYLES,
    meters=("4/4",),
    tempos=TEMPOS,
    lags=(1, 2, 4, 8, 15),
    bar_lags=(1, 2, 4),
)


@dataclass(frozen=True)
class Performance:
    """One file of the data set. `split` is train, validation or test."""

    piece: Piece
    style: str
    tempo: int
    split: str
    name: str


def performances(path: Path) -> list[Performance]:
    """The 4/4 performances of at least 32 16ths, from groove_v1.0.0_midionly.zip (or the folder that holds it)."""
    archive = next(path.glob("*.zip")) if path.is_dir() else path
    found = []
    with zipfile.ZipFile(archive) as files:
        rows = csv.DictReader(io.TextIOWrapper(files.open("groove/info.csv"), encoding="utf-8"))
        for row in rows:
            if row["time_signature"] != "4-4":
                continue
            piece = read_midi(files.read("groove/" + row["midi_filename"]))
            steps = step_count(piece)
            if steps >= SHORTEST_STEPS:
                style = row["style"].split("/")[0]
                found.append(Performance(piece, style, int(row["bpm"]), row["split"], row["midi_filename"]))
    return found


def step_count(piece: Piece) -> int:
    """16ths up to and with the last hit that is one of the nine drums."""
    tokenizer = MusicTokenizer(VOCABULARY)
    onsets, _ = tokenizer.quantise(piece, tokenizer.grid(piece, STEPS_PER_BAR))
    return max(onsets, default=-1) + 1


class DrumCorpus:
    """`path`: the Groove MIDI archive, or the folder that holds it."""

    unit = "step"

    def __init__(self, path: Path, options: dict[str, Any]) -> None:
        self.tokenizer = MusicTokenizer(VOCABULARY)
        self.performances = performances(path)
        self.encoded = {
            split: [self._encode(performance) for performance in self.performances if performance.split == split]
            for split in ("train", "validation", "test")
        }

    def architecture_sizes(self) -> dict[str, Any]:
        return architecture_sizes(VOCABULARY)

    def tokenizer_config(self) -> dict[str, Any]:
        return VOCABULARY.config()

    def _encode(self, performance: Performance) -> tuple[np.ndarray[Any, Any], int]:
        """Tokens of the whole performance, its last bar left as it is, and its number of steps."""
        attributes: dict[str, str | float | None] = {"style": performance.style, "meter": "4/4", "tempo": performance.tempo}
        tokens: Tokens = np.array(self.tokenizer.encode(performance.piece, attributes, end=False))
        steps = step_count(performance.piece)  # what a file holds after its last hit is only the recording's end
        return tokens[: np.flatnonzero(tokens >= VOCABULARY.first_duration)[steps - 1] + 1], steps

    def training(self, rows: int, chunk: int, seed: int, skip: int = 0, mine: slice = ALL_ROWS) -> Iterator[Batch]:
        played = play(VOCABULARY, self.sequences(rows, chunk, seed), rows, chunk, ending=False, skip=skip, mine=mine)
        return (batch for batch, _ in played)

    def sequences(self, rows: int, chunk: int, seed: int) -> Iterator[Sequence]:
        """Performances in random order for ever, each from a random bar on: a beat is a beat wherever one comes in."""

        def vary(place: int, random: np.random.Generator) -> Sequence:
            return self._excerpt(*self.encoded["train"][place], random)

        return endless(len(self.encoded["train"]), vary, rows, chunk, np.random.default_rng(seed))

    def _excerpt(self, tokens: np.ndarray[Any, Any], steps: int, random: np.random.Generator) -> Sequence:
        header, body = tokens[: VOCABULARY.header_length].copy(), tokens[VOCABULARY.header_length :]
        for place, name in enumerate(VOCABULARY.attributes, start=1):
            if name != "meter" and random.random() < FORGET_ATTRIBUTE:
                header[place] = VOCABULARY.attribute_starts[name]
        bars = -(-steps // STEPS_PER_BAR)
        first_bar = int(random.integers(0, max(1, bars - 2))) if random.random() < 0.5 else 0
        ends = np.flatnonzero(body >= VOCABULARY.first_duration) + 1
        start = ends[first_bar * STEPS_PER_BAR - 1] if first_bar else 0
        excerpt = np.concatenate([header, body[start:]])
        told = bars - first_bar if random.random() < TELL_LENGTH else 0
        return Sequence(excerpt, np.ones(len(excerpt), np.float32), told)

    def validation(self, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        return self.scoring("validation", rows, chunk, mine)

    def scoring(self, split: str, rows: int, chunk: int, mine: slice = ALL_ROWS) -> Iterator[tuple[Batch, int]]:
        """Every performance of the split once, scored from its second bar on; the unit is a step of all nine drums together."""
        return play(VOCABULARY, iter(bucketed(self.scored(split), rows, chunk, None)), rows, chunk, ending=False, mine=mine)

    def scored(self, split: str) -> list[Sequence]:
        """What `scoring` plays: every token from the second bar on counts."""
        return [self._scored(*pair) for pair in self.encoded[split]]

    def _scored(self, tokens: np.ndarray[Any, Any], steps: int) -> Sequence:
        before = np.concatenate([[0], np.cumsum(tokens >= VOCABULARY.first_duration)[:-1]])  # steps done before each token
        weights = ((before >= STEPS_PER_BAR) & (np.arange(len(tokens)) >= VOCABULARY.header_length)).astype(np.float32)
        return Sequence(tokens, weights, 0, steps - STEPS_PER_BAR)

