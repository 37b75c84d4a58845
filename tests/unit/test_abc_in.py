from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotationError
from core.music.abc_in import read_abc, read_abc_bars
from core.music.piece import KeyChange, MeterChange, Note, TempoChange

EIGHTH, QUARTER, WHOLE = 240, 480, 1920

# Public-domain tunes: from O'Neill's Music of Ireland (1903), Aird's Airs (1782) and Ryan's Mammoth Collection (1883).
TUNES = {
    "jig": """X:228
T:Tossing on the Waves
M:6/8
L:1/8
K:G
B2B (dcB) | (c2A) (B2G) | (GBd) (GBd) | (FAd) (FAd) \\
| (GAB) (cde) | (f2e) d2c | (c2B) (c2d) | (GBA) G3 ||
|| (ba).g (fe).^d | (egb) e3 | gfe dcB | ceg c'3 \\
| (Bcd edc) | (BAB) (GAB) | (c2B) (c2d) | (GBA) G3 ||
""",
    "quickstep": """X:37
T:Quick Step the Troopers.
M:6/8
L:1/8
Q:3/8=88
K:D
ded dcB|ABc d3 |e2g f2a|ecA A3 |
ded dcB|ABc d2F|G2A B2d|AFD D3:|
F2G AFD|d2f ecA|g2f e2d|ecA A2G|
FGA Bcd|egf edc|dcB A2G|FDD D3:|
""",
    "air": """X:501
T:The Emblem of Faith
M:3/4
L:1/8
K:D
A2 A2 (de) | f2 A2 A2 | f2 gf ed | c2 B2 Bc |
d2 de fe | d2 cA GF | G2 c2 B2 | A4 ||
FG | A2 B2 AG | c2 BA GF | G3 B AG | F>E D2 FG |
A2 f2 e2 | d2 A2 F2 | GB AG FE | F2 D4 ||
""",
    "strathspey": """X:865
M:C
L:1/8
K:A Dorian
e|G<E E2 D>G````G<B|A/A/A e<A c<Ae<A|G<E E2 D>GG<B|c>AB>G A/A/A A:|
f|g<g a/g/f/e/ d/c/B/A/ G>B|c/d/e A>B c>de>f|g<g a/g/f/e/ d/c/B/A/ G>B|c>AB>G A/A/A A:|
""",
    "triplets": """X:100
M:4/4
L:1/8
K:Bb
F2|:B2 (3BcB A2 (3FGA|B>c d<e f4|_a2 =a2 b-b3|(3gfe (3dcB c2 F2:|
""",
}


def notes(text: str) -> list[tuple[int, int, int]]:
    """Start, duration and pitch."""
    return [(note.start, note.duration, note.pitch) for note in read_abc(text).tracks[0].notes]


def pitches(text: str) -> list[int]:
    return [pitch for _, _, pitch in notes(text)]


def lengths(text: str) -> list[int]:
    return [duration for _, duration, _ in notes(text)]


def starts(text: str) -> list[int]:
    return [start for start, _, _ in notes(text)]


@pytest.mark.parametrize("name", TUNES)
def test_music21_hears_the_same_tunes(name: str) -> None:
    converter = pytest.importorskip("music21.converter")
    parsed = converter.parse("%abc-2.1\n" + TUNES[name].replace("`", ""), format="abc").stripTies().flatten().notes
    heard = [(round(float(note.quarterLength) * QUARTER), note.pitch.midi) for note in parsed]
    assert heard == [(duration, pitch) for _, duration, pitch in notes(TUNES[name])]


@pytest.mark.parametrize("name", TUNES)
def test_bar_lines_fall_on_bars(name: str) -> None:
    piece, bars = read_abc_bars(TUNES[name])
    assert len(bars) > 3
    assert all(bar % piece.bar_ticks() == 0 for bar in bars)


def test_a_header_says_title_metre_key_and_tempo() -> None:
    piece = read_abc("X:1\nT:My tune % really\nC:Trad.\nM:6/8\nL:1/8\nQ:3/8=80\nK:Ador\nABc def|\n")
    assert piece.tracks[0].name == "My tune"
    assert piece.tracks[0].program == 73
    assert piece.meters == (MeterChange(0, 6, 8),)
    assert piece.keys == (KeyChange(0, 1, "dorian"),)
    assert piece.tempos == (TempoChange(0, 500_000),)


def test_music_alone_is_in_four_four_and_c() -> None:
    piece = read_abc("CDEF|G4|")
    assert pitches("CDEF|G4|") == [60, 62, 64, 65, 67]
    assert (piece.meter, piece.keys, piece.tempos) == ((4, 4), (), ())
    assert lengths("CDEF|G4|")[0] == EIGHTH


def test_a_metre_below_three_four_counts_in_sixteenths() -> None:
    assert lengths("M:2/4\nK:C\nA") == [120]
    assert lengths("M:6/8\nK:C\nA") == [240]
    assert lengths("M:2/4\nK:C\nA|\nM:4/4\nB") == [120, 120]


def test_lengths() -> None:
    assert lengths("A A2 A3/2 A/ A/2 A// A/4 A3/ z2 A//// [CE]3/4") == [240, 480, 360, 120, 120, 60, 60, 360, 15, 180, 180]


def test_octaves() -> None:
    assert pitches("C,, C, C c c' c'' ^^F, __B") == [36, 48, 60, 72, 84, 96, 55, 69]


def test_broken_rhythm() -> None:
    assert lengths("A>B A<B A>>B A<<B") == [360, 120, 120, 360, 420, 60, 60, 420]
    assert lengths("A > {g}B [CE]>z F") == [360, 120, 360, 360, 240]


def test_tuplets() -> None:
    assert lengths("(3ABc (2AB (4ABcd") == [160] * 3 + [360] * 2 + [180] * 4
    assert lengths("M:6/8\nL:1/8\nK:C\n(5ABcde") == [144] * 5
    assert lengths("L:1/8\n(5ABcde") == [96] * 5
    assert lengths("(3:2:2A2B c") == [320, 160, 240]
    assert lengths("(3::4ABcd") == [160] * 4
    assert lengths("((3ABc) (3A>Bc") == [160, 160, 160, 240, 80, 160]


def test_odd_tuplets_are_rounded_and_their_bars_still_add_up() -> None:
    found = notes("M:2/4\nL:1/4\nK:C\n(7:2:7A/B/c/d/e/f/g/ A|B2|")
    assert found[-1][0] == 2 * QUARTER
    assert all(first[0] + first[1] == second[0] for first, second in pairwise(found))


def test_accidentals_hold_to_the_bar_line_and_in_all_octaves() -> None:
    assert pitches("^F F f =F F|F") == [66, 66, 78, 65, 65, 65]


def test_key_signatures_and_modes() -> None:
    for key, sharps, mode in [
        ("D", 2, "major"), ("Bb", -2, "major"), ("Em", 1, "minor"), ("F#min", 3, "minor"), ("D Mixolydian", 1, "mixolydian"),
        ("EDor", 2, "dorian"), ("G Lydian", 2, "major"), ("A phr", -1, "minor"), ("HP", 2, "mixolydian"), ("", 0, "major"),
        ("none", 0, "major"), ("EM", 4, "major"), ("C#m clef=treble", 4, "minor"), ("Gmaj", 1, "major"),
    ]:  # fmt: skip
        assert read_abc(f"M:4/4\nK:{key}\nC").keys == (KeyChange(0, sharps, mode),), key
    assert pitches("K:Eb\nABcdefg") == [68, 70, 72, 74, 75, 77, 79]
    assert pitches("K:D exp _b ^f\ncfb") == [72, 78, 82]
    assert pitches("K:D =c\ncf") == [72, 78]


def test_ties_make_one_note_also_over_the_bar() -> None:
    assert notes("M:2/4\nL:1/4\nK:G\nA2-|A B|") == [(0, 1440, 69), (1440, 480, 71)]
    assert notes("[CE]-[CG]") == [(0, 480, 60), (0, 240, 64), (240, 240, 67)]
    assert notes("[C-E][CE]") == [(0, 480, 60), (0, 240, 64), (240, 240, 64)]


def test_a_tied_note_keeps_its_accidental_over_the_bar() -> None:
    assert notes("M:1/4\nL:1/8\nK:C\nB^c-|c c|") == [(0, 240, 71), (240, 480, 73), (720, 240, 72)]


def test_a_tie_to_another_pitch_is_a_slur() -> None:
    assert notes("A-B") == [(0, 240, 69), (240, 240, 71)]


def test_chords() -> None:
    assert notes("[CEG]2 [c2e2] [DD]") == [
        *[(0, 480, pitch) for pitch in (60, 64, 67)],
        *[(480, 480, pitch) for pitch in (72, 76)],
        (960, 240, 62),
    ]


def test_what_does_not_sound_is_passed_over() -> None:
    plain = pitches("ABcd efga")
    assert pitches('"Am"A"^slow"B{cd}c!trill!d !f!e .f~g Ta y2 | % a comment') == plain
    assert pitches("(AB)(cd) uevf Hgka\\\n%%directive\n") == plain
    assert pitches("ABcd!efga!\nw: words of the song\n") == plain
    assert pitches("ABcd!\nefga!\n") == plain
    assert pitches("|:ABcd|1 ef:|2 ga|]") == plain
    assert pitches("+trill+A`B[P:x]cd[r:note]efga") == plain


def test_repeats_are_read_once_as_written() -> None:
    assert pitches("|:AB:|") == [69, 71]


def test_rests_and_silence_at_the_end() -> None:
    piece = read_abc("M:4/4\nL:1/4\nK:C\nC z x E|Z2|F z3|")
    assert [note.start for note in piece.tracks[0].notes] == [0, 3 * QUARTER, 3 * WHOLE]
    assert piece.end == 4 * WHOLE


def test_a_pickup_starts_late_in_the_first_bar() -> None:
    assert starts("M:6/8\nL:1/8\nK:D\nA|d3 f3|")[:2] == [5 * EIGHTH, 6 * EIGHTH]
    assert read_abc("M:6/8\nL:1/8\nK:D\nA|d3 f3|").meters == (MeterChange(0, 6, 8),)


def test_one_unfinished_bar_alone_starts_at_once() -> None:
    assert starts("AB") == [0, EIGHTH]


def test_a_short_last_bar_and_the_next_pickup_make_one_bar() -> None:
    piece, bars = read_abc_bars("M:2/4\nL:1/4\nK:C\nA/|B2|c3/2:|d/|e2|f2|")
    assert [note.start for note in piece.tracks[0].notes] == [720, 960, 1920, 2640, 2880, 3840]
    assert bars == [960, 1920, 2880, 3840, 4800]


def test_a_short_last_bar_that_nothing_completes_is_filled_with_rest() -> None:
    piece, bars = read_abc_bars("M:2/4\nL:1/4\nK:C\nA2|c:|d2|e2|")
    assert [note.start for note in piece.tracks[0].notes] == [0, 960, 1920, 2880]
    assert bars == [960, 1920, 2880, 3840]


def test_a_pickup_after_a_full_bar_starts_late() -> None:
    assert starts("M:2/4\nL:1/4\nK:C\nA2|c2:|d/|e2|f2|") == [0, 960, 2640, 2880, 3840]


def test_a_second_ending_starts_where_the_first_one_did() -> None:
    assert starts("M:2/4\nL:1/4\nK:C\nA|B2|1 c:|2 d2|e2|") == [480, 960, 1920, 2880, 3840]
    assert starts("M:2/4\nL:1/4\nK:C\nA [1 c:|[2 d|]e2|") == [0, 480, 1440, 1920]


def test_bars_that_do_not_fit_the_metre_are_reported() -> None:
    _, bars = read_abc_bars("M:2/4\nL:1/4\nK:C\nA2|B3|c2|d2|")
    assert [bar % 960 for bar in bars] == [0, 480, 480]
    _, bars = read_abc_bars("M:2/4\nL:1/4\nK:C\nA2|B|c2|d2|")
    assert any(bar % 960 for bar in bars)


def test_fields_within_the_tune() -> None:
    piece = read_abc("M:4/4\nL:1/4\nK:C\nF4|[K:G]F4|[M:3/4][L:1/8]F6|\nQ:1/4=60\nF6|")
    assert [note.pitch for note in piece.tracks[0].notes] == [65, 66, 66, 66]
    assert piece.keys == (KeyChange(0, 0), KeyChange(WHOLE, 1))
    assert piece.meters == (MeterChange(0, 4, 4), MeterChange(2 * WHOLE, 3, 4))
    assert piece.tempos == (TempoChange(2 * WHOLE + 1440, 1_000_000),)


def test_tempos() -> None:
    for value, microseconds in [
        ("1/4=120", 500_000), ("120", 1_000_000), ('"Slow" 3/8=40', 1_000_000), ("C=120", 1_000_000), ("1/8 1/8=90.5", 662_983)
    ]:  # fmt: skip
        assert read_abc(f"L:1/8\nQ:{value}\nK:C\nA").tempos == (TempoChange(0, microseconds),), value
    assert read_abc('Q:"Allegro"\nK:C\nA').tempos == ()


def test_metres() -> None:
    for value, meter in [("C", (4, 4)), ("C|", (2, 2)), ("2+3/8", (5, 8)), ("(3+2+3)/8", (8, 8))]:
        assert read_abc(f"M:{value}\nK:C\nA").meter == meter
    assert read_abc("M:none\nK:C\nA|B2|c|").meters == ()


def test_an_instrument_may_be_named() -> None:
    assert read_abc("M:4/4\n%%MIDI program 1 40\nK:C\nA").tracks[0].program == 40


def test_lines_that_look_like_fields_are_music_among_the_music() -> None:
    assert pitches("M:4/4\nK:C\nABc\nA:|\nd::\nz:|\n") == [69, 71, 72, 69, 74]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no notes"),
        ("X:1\nK:C\n", "no notes"),
        ("z4|", "no notes"),
        ("AB&cd", "line 1, column 3: '&cd' is not ABC"),
        ("M:4/4\nK:C\nABc\nhello\n", "line 4, column 3"),
        ("M:4/4\nnotes here\nK:C\nA", "line 2, column 1: 'notes here' stands in the header"),
        ('AB"Am cd', "line 1, column 3: the text"),
        ("AB{cd", "line 1, column 3: the grace notes"),
        ("[CEG", "line 1, column 1: this chord"),
        ("[CE|G]", "line 1, column 1: this chord"),
        ("A]", "line 1, column 2: `\\]` closes no chord"),
        ("[!f!]A", "this chord has no notes"),
        ("A0", "line 1, column 1: the length of `A0`"),
        ("A/0", "the length"),
        ("A/200", "the length"),
        ("A//3", "the length"),
        ("A99999", "column 1: .* is not ABC"),
        (">A", "must stand between two notes"),
        ("A>", "no note follows `>`"),
        ("A>|>B", "column 4"),
        ("-A", "column 1: the tie"),
        ("C,,,,,,,", "beyond the range of MIDI"),
        ("^g'''''", "beyond the range"),
        ("K:H\nA", "line 1, column 1: 'H' is no key"),
        ("K:Cfoo\nA", "'foo' is no mode"),
        ("K:G#\nA", "needs 8 accidentals"),
        ("M:5\nK:C\nA", "line 1, column 1: '5' is no metre"),
        ("M:99/4\nK:C\nA", "out of range"),
        ("M:4/5\nK:C\nA", "out of range"),
        ("L:1/0\nK:C\nA", "no unit of length"),
        ("Q:fast\nK:C\nA", "no tempo"),
        ("Q:1/4=1\nK:C\nA", "out of range"),
        ("M:none\nK:C\nZ", "the metre is free"),
        ("V:1\nK:C\nA\nV:2\nB", "line 4, column 1: the tune has a second voice, '2'"),
        ("K:C\n[V:1]A\n[V:2]B", "line 3, column 1: the tune has a second voice"),
        ("X:1\nK:C\nA\nX:2\nK:C\nB", "line 4, column 1: a second tune"),
        ("AZ9999", "quarter notes long"),
        ("AB" * 10_001, "20,002 notes"),
    ],
)
def test_what_does_not_parse_is_refused_with_its_place(text: str, says: str) -> None:
    with pytest.raises(NotationError, match=says) as refusal:
        read_abc(text)
    assert refusal.value.field == "prime"


@given(st.text(st.sampled_from("ABcz|:[]()<>23/'-^_=\n{}\"!%KML \\,"), max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        piece = read_abc(text)
    except NotationError:
        return
    assert piece.note_count > 0
    assert all(isinstance(note, Note) and note.duration > 0 and note.start >= 0 for note in piece.tracks[0].notes)
