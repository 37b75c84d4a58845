"""A piece as a piano roll in SVG: time to the right, pitch upwards, the prime outlined and hatched, what follows it solid.

Colours are presentation attributes that a page's style sheet may override by class (`roll-prime`, `roll-new`, `roll-bar`,
`roll-row`, `roll-boundary`, `roll-label`, and `roll-name` for the labels of the rows). The plot fills the whole width, so a
playhead can move by fractions of it. In very long pieces notes that nearly touch are drawn as one, which `<desc>` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from core.music.beats import DRUMS
from core.music.piece import Note, Piece, Track

WIDTH = 1000
HEAD = 26  # above the plot: bar numbers and the names of the parts
ROW_HEIGHT, DRUM_ROW_HEIGHT = 7.0, 18.0
SHORTEST_PLOT = 110.0
MARGIN_ROWS = 2
MOST_BAR_LABELS, MOST_BAR_LINES = 24, 240
MOST_BOXES = 4000
PRIME_COLOUR, NEW_COLOUR, LINE_COLOUR, TEXT_COLOUR = "#2b5c9e", "#b93d1d", "#8a93a6", "#566078"
TRACK_OPACITY = (1.0, 0.72, 0.52)
LABELS = {
    "title": "Piano roll",
    "prime": "prime",
    "continuation": "continuation",
    "merged": "notes that nearly touch are drawn as one",
}

Box = tuple[float, float, float]  # left and right edge, top


class _Rows:
    """Which row a pitch stands in, the lowest at the bottom. Drums have a row each, pitches a row a semitone."""

    def __init__(self, tracks: tuple[Track, ...]) -> None:
        pitched = sorted({note.pitch for track in tracks if not track.percussion for note in track.notes})
        drums = sorted({note.pitch for track in tracks if track.percussion for note in track.notes})
        names = {pitch: name for name, pitch in DRUMS.items()}
        self.height = ROW_HEIGHT if pitched else DRUM_ROW_HEIGHT
        self.drum_row = {pitch: row for row, pitch in enumerate(drums)}
        first = len(drums)
        self.lowest = pitched[0] - MARGIN_ROWS if pitched else 0
        self.first_pitched = first
        self.count = first + (pitched[-1] - pitched[0] + 1 + 2 * MARGIN_ROWS if pitched else 0)
        self.height = max(self.height, SHORTEST_PLOT / max(1, self.count))
        self.labels = [(row, names.get(pitch, f"{pitch}")) for pitch, row in self.drum_row.items()]
        if pitched:
            cs = range(-(-self.lowest // 12) * 12, pitched[-1] + MARGIN_ROWS + 1, 12)
            self.labels += [(self.row(c, False), f"C{c // 12 - 1}") for c in cs]

    def row(self, pitch: int, percussion: bool) -> int:
        return self.drum_row[pitch] if percussion else self.first_pitched + pitch - self.lowest

    def top(self, row: int) -> float:
        return HEAD + (self.count - 1 - row) * self.height


def piano_roll_svg(piece: Piece, prime_end_tick: int = 0, labels: dict[str, str] | None = None) -> str:
    """Notes that begin before `prime_end_tick` are the prime's. `labels` may translate title, prime, continuation, and drums."""
    words = LABELS | (labels or {})
    rows = _Rows(piece.tracks)
    length = max(piece.end, 1)
    height = HEAD + rows.count * rows.height + 4
    given = sum(note.start < prime_end_tick for track in piece.tracks for note in track.notes)
    told = f"{words['prime']}: {given}; {words['continuation']}: {piece.note_count - given}"
    shapes, merged = _shapes(piece, rows, length, prime_end_tick)
    if merged:
        told += f"; {words['merged']}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img" class="piano-roll" '
        f'font-family="system-ui, sans-serif" font-size="11">',
        f"<title>{escape(words['title'])}</title><desc>{escape(told)}</desc>",
        '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        f'<rect width="5" height="5" fill="none"/><rect class="roll-hatch" width="1.6" height="5" fill="{PRIME_COLOUR}"/>'
        "</pattern></defs>",
        *_grid(piece, rows, length, height, words),
        *_notes(shapes, rows.height),
    ]
    if 0 < prime_end_tick < length:
        x = WIDTH * prime_end_tick / length
        parts.append(
            f'<line class="roll-boundary" x1="{x:.2f}" x2="{x:.2f}" y1="0" y2="{height:.0f}" stroke="{TEXT_COLOUR}" '
            'stroke-width="1.5" stroke-dasharray="5 4"/>'
        )
        anchor, place = ("end", x - 6) if x > 60 else ("start", 2)
        if x > 60:
            parts.append(_text(place, 10, words["prime"], anchor))
        parts.append(_text(x + 6, 10, words["continuation"]) if x < WIDTH - 90 else "")
    return "".join([*parts, "</svg>"])


def _grid(piece: Piece, rows: _Rows, length: int, height: float, words: dict[str, str]) -> Iterator[str]:
    """Lines at each C or drum, bar lines and bar numbers."""
    for row, name in rows.labels:
        bottom = rows.top(row) + rows.height
        where = f'x1="0" x2="{WIDTH}" y1="{bottom:.1f}" y2="{bottom:.1f}"'
        yield f'<line class="roll-row" {where} stroke="{LINE_COLOUR}" stroke-opacity=".35"/>'
        yield _text(2, bottom - 2, words.get(name, name), classes="roll-label roll-name")
    lines = list(bar_lines(piece))
    every_label = -(-len(lines) // MOST_BAR_LABELS)
    for number, tick in list(enumerate(lines, start=1))[:: -(-len(lines) // MOST_BAR_LINES)]:
        x = WIDTH * tick / length
        where = f'x1="{x:.2f}" x2="{x:.2f}" y1="{HEAD - 6}" y2="{height:.0f}"'
        yield f'<line class="roll-bar" {where} stroke="{LINE_COLOUR}" stroke-opacity=".6"/>'
        if (number - 1) % every_label == 0:
            yield _text(x + 3, HEAD - 4, str(number))


def _shapes(piece: Piece, rows: _Rows, length: int, prime_end_tick: int) -> tuple[list[tuple[list[Box], list[Box]]], bool]:
    """For each track the boxes of its prime and of what follows; and whether boxes had to be merged."""
    shapes: list[tuple[list[Box], list[Box]]] = []
    for track in piece.tracks:
        given = [note for note in track.notes if note.start < prime_end_tick]
        new = [note for note in track.notes if note.start >= prime_end_tick]
        shapes.append((_boxes(given, track, rows, length), _boxes(new, track, rows, length)))
    gap = 0.0
    while sum(len(boxes) for shape in shapes for boxes in shape) > MOST_BOXES:
        gap = 2 * gap or 0.5
        shapes = [(_merge(given, gap), _merge(new, gap)) for given, new in shapes]
    return shapes, gap > 0


def _boxes(notes: list[Note], track: Track, rows: _Rows, length: int) -> list[Box]:
    """The notes as boxes, a little apart so that repeated notes are seen as such."""
    boxes = []
    for note in notes:
        x, width = WIDTH * note.start / length, WIDTH * note.duration / length
        boxes.append((x, x + max(1.0, width - min(1.5, width / 4)), rows.top(rows.row(note.pitch, track.percussion))))
    return boxes


def _merge(boxes: list[Box], gap: float) -> list[Box]:
    """One box for those of a row with no more than a gap between them."""
    merged: list[Box] = []
    for left, right, top in sorted(boxes, key=lambda box: (box[2], box[0])):
        if merged and merged[-1][2] == top and left <= merged[-1][1] + gap:
            merged[-1] = (merged[-1][0], max(merged[-1][1], right), top)
        else:
            merged.append((left, right, top))
    return merged


def _notes(shapes: list[tuple[list[Box], list[Box]]], row_height: float) -> Iterator[str]:
    """One path for each track's prime and one for what follows."""
    for number, (given, new) in enumerate(shapes):
        opacity = TRACK_OPACITY[min(number, len(TRACK_OPACITY) - 1)]
        if given:
            outline = f'fill="url(#hatch)" stroke="{PRIME_COLOUR}" stroke-width="1.2"'
            yield f'<path class="roll-prime" d="{_path(given, row_height)}" {outline} opacity="{opacity}"/>'
        if new:
            yield f'<path class="roll-new" d="{_path(new, row_height)}" fill="{NEW_COLOUR}" opacity="{opacity}"/>'


def _path(boxes: list[Box], row_height: float) -> str:
    height = f"{row_height - 1.6:.1f}"
    return "".join(f"M{left:.2f} {top + 0.8:.1f}h{right - left:.2f}v{height}h{left - right:.2f}z" for left, right, top in boxes)


def bar_lines(piece: Piece) -> Iterator[int]:
    """The ticks at which bars begin, through every change of metre; 4/4 until the first."""
    changes = [(change.tick, change.numerator, change.denominator) for change in piece.meters]
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0, 4, 4))
    stops = [*(tick for tick, _, _ in changes[1:]), max(piece.end, 1)]
    for (start, numerator, denominator), stop in zip(changes, stops, strict=True):
        yield from range(start, stop, max(1, piece.ticks_per_quarter * 4 * numerator // denominator))


def _text(x: float, y: float, text: str, anchor: str = "start", classes: str = "roll-label") -> str:
    return f'<text class="{classes}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{TEXT_COLOUR}">{escape(text)}</text>'
