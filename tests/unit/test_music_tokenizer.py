from __future__ import annotations

from core_strategies import beats, melodies
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import DRUMS, FOLK

from core.music.midi import read_midi, write_midi
from core.music.piece import MeterChange, Note, Piece, Track
from core.music.tokenizer import Grid, MusicTokenizer
from core.music.vocabulary import END, START

TOKENIZERS = st.sampled_from([FOLK, DRUMS])


def line(*notes: tuple[int, int, int], **more: object) -> Piece:
    """Notes as (start, duration, pitch) in grid ticks of the melody, 24 to the quarter."""
    return Piece(24, (Track(tuple(Note(*note) for note in notes)),), **more)


def body(tokenizer: MusicTokenizer, piece: Piece, meter: str = "4/4", end: bool = False) -> list[int]:
    return tokenizer.encode(piece, {"meter": meter}, end)[tokenizer.vocabulary.header_length :]


@given(melodies())
@settings(deadline=None, max_examples=30)
def test_a_melody_on_the_grid_comes_back_exactly(case: tuple) -> None:
    piece, attributes = case
    assert FOLK.decode(FOLK.encode(piece, attributes)) == piece


@given(beats())
@settings(deadline=None, max_examples=30)
def test_any_drum_grid_comes_back_exactly(case: tuple) -> None:
    piece, attributes = case
    back = DRUMS.decode(DRUMS.encode(piece, attributes))
    assert (back.tracks, back.meters, back.length) == (piece.tracks, piece.meters, piece.length)


@given(st.one_of(melodies().map(lambda case: (FOLK, *case)), beats().map(lambda case: (DRUMS, *case))))
@settings(deadline=None, max_examples=20)
def test_the_header_says_the_attributes_a_tempo_by_its_class(case: tuple) -> None:
    tokenizer, piece, attributes = case
    v = tokenizer.vocabulary
    tokens = tokenizer.encode(piece, attributes)
    assert tokens[0] == START
    assert tokens[-1] == END
    _, said = tokenizer.parse(tokens)
    assert set(said) == set(v.attributes)
    for name, value in said.items():
        assert v.attribute_token(name, value) == v.attribute_token(name, attributes[name])
        if name != "tempo":
            assert value == attributes[name]


@given(TOKENIZERS, st.data())
@settings(deadline=None, max_examples=40)
def test_any_token_list_decodes_to_a_piece_that_a_midi_file_can_hold(tokenizer: MusicTokenizer, data: st.DataObject) -> None:
    tokens = data.draw(st.lists(st.integers(0, tokenizer.size - 1), max_size=60))
    piece = tokenizer.decode(tokens)
    data = write_midi(piece)
    if piece.note_count:  # a file without notes is no prime
        back = read_midi(data)
        assert [track.notes for track in back.tracks] == [track.notes for track in piece.tracks]
        assert back.end == piece.end


def test_a_note_over_a_bar_line_is_held_and_two_notes_are_two() -> None:
    held, repeated = line((48, 96, 60)), line((48, 48, 60), (96, 48, 60))
    v = FOLK.vocabulary
    assert v.hold in body(FOLK, held)
    assert v.hold not in body(FOLK, repeated)
    assert body(FOLK, held) != body(FOLK, repeated)
    for piece in (held, repeated):
        (track,) = FOLK.decode(body(FOLK, piece), 24).tracks
        assert track == piece.tracks[0]


def test_no_step_crosses_a_bar_line() -> None:
    steps = FOLK.steps(line((10, 500, 60)), Grid(24, 24), 36, fill=True)
    place = 0
    for step in steps:
        assert place // 36 == (place + step.duration - 1) // 36
        place += step.duration
    assert place == 36 * 15


def test_a_pickup_stands_at_the_end_of_a_bar_that_begins_with_silence() -> None:
    pickup = line((0, 24, 67), (24, 96, 60), meters=(MeterChange(0, 1, 4), MeterChange(24, 4, 4)))
    steps = FOLK.steps(pickup, FOLK.grid(pickup, 96), 96, fill=True)
    assert [(step.pitches, step.duration) for step in steps] == [((), 72), ((67 - 48,), 24), ((60 - 48,), 96)]


@given(st.integers(0, 5000), st.sampled_from([24, 25, 96, 333, 480]), st.sampled_from([36, 72, 96]), st.integers(0, 9000))
@settings(deadline=None)
def test_the_last_metre_change_is_a_bar_line_and_ticks_come_back_from_their_places(
    at: int, ticks: int, bar: int, tick: int
) -> None:
    piece = Piece(ticks, (), meters=(MeterChange(0, 3, 4), MeterChange(at, 4, 4)))
    grid = FOLK.grid(piece, bar)
    assert grid.anchor_place % bar == 0
    assert 0 <= grid.place(0) < bar
    assert grid.tick(grid.place(at)) == at
    assert abs(grid.tick(grid.place(tick)) - tick) <= ticks / 48 + 1
    after = grid.place_after(tick)
    assert grid.tick(after) >= tick > grid.tick(after - 1)


def test_of_a_chord_the_melody_keeps_the_highest_note_and_later_notes_cut_earlier_ones() -> None:
    (track,) = FOLK.decode(body(FOLK, line((0, 96, 60), (0, 96, 64), (48, 24, 62))), 24).tracks
    assert track.notes == (Note(0, 48, 64), Note(48, 24, 62))


def test_drums_are_read_as_their_nearest_relative_and_pitched_tracks_are_passed_over() -> None:
    kit = Piece(480, (Track((Note(0, 10, 35), Note(120, 900, 40)), percussion=True), Track((Note(0, 480, 60),))))
    (track,) = DRUMS.decode(body(DRUMS, kit)).tracks
    assert [(note.start, note.pitch) for note in track.notes] == [(0, 36), (120, 38)]


def test_tokens_read_as_typed_notes() -> None:
    v = FOLK.vocabulary
    step = v.first_duration + v.durations.index(24)
    assert FOLK.describe([v.first_pitch, step, step, v.hold, step]) == "48:1 :1 -:1 "
    kit = DRUMS.vocabulary
    assert DRUMS.describe([kit.first_pitch, kit.first_pitch + 1, kit.first_duration]) == "36+38:0.25 "
