from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given, settings
from music_strategies import pieces

from core.music.pianoroll import MOST_BAR_LINES, MOST_BOXES, WIDTH, bar_lines, piano_roll_svg
from core.music.piece import MeterChange, Note, Piece, Track

SVG = "{http://www.w3.org/2000/svg}"
TUNE = Piece(480, (Track(tuple(Note(480 * step, 480, 60 + 2 * step) for step in range(8))),))


def shapes(svg: str, name: str) -> list[ElementTree.Element]:
    return [element for element in ElementTree.fromstring(svg).iter() if name in element.get("class", "").split()]


def boxes(svg: str, name: str) -> int:
    return sum(shape.get("d", "").count("M") for shape in shapes(svg, name))


@settings(max_examples=40, deadline=None)
@given(pieces())
def test_any_piece_has_a_picture_with_every_note(piece: Piece) -> None:
    svg = piano_roll_svg(piece, piece.end // 2)
    assert boxes(svg, "roll-prime") + boxes(svg, "roll-new") == piece.note_count
    assert len(shapes(svg, "roll-bar")) <= MOST_BAR_LINES + 1


def test_a_piece_without_notes_has_a_picture_too() -> None:
    assert piano_roll_svg(Piece(480, ())).endswith("</svg>")


def test_it_is_an_image_with_a_name_and_a_description() -> None:
    root = ElementTree.fromstring(piano_roll_svg(TUNE, 1920, {"title": "Variation <1>", "prime": "Vorgabe"}))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "Variation <1>"
    assert root.findtext(f"{SVG}desc") == "Vorgabe: 4; continuation: 4"


def test_prime_and_continuation_differ_by_more_than_colour() -> None:
    svg = piano_roll_svg(TUNE, 1920)
    prime, new = shapes(svg, "roll-prime")[0], shapes(svg, "roll-new")[0]
    assert prime.get("fill") == "url(#hatch)"
    assert prime.get("stroke")
    assert new.get("stroke") is None
    boundary = shapes(svg, "roll-boundary")[0]
    assert boundary.get("stroke-dasharray")
    assert float(boundary.get("x1", 0)) == WIDTH / 2
    words = {label.text for label in shapes(svg, "roll-label")}
    assert {"prime", "continuation", "C4", "C5", "1", "2"} <= words


def test_without_a_prime_there_is_no_boundary() -> None:
    svg = piano_roll_svg(TUNE)
    assert not shapes(svg, "roll-boundary")
    assert not shapes(svg, "roll-prime")


def test_drums_are_named_in_the_language_of_the_page() -> None:
    svg = piano_roll_svg(Piece(480, (Track((Note(0, 60, 36), Note(480, 60, 38)), percussion=True),)), 0, {"snare": "caixa"})
    assert [label.text for label in shapes(svg, "roll-name")] == ["kick", "caixa"]


def test_tracks_are_told_apart_by_lightness() -> None:
    svg = piano_roll_svg(Piece(480, (TUNE.tracks[0], Track((Note(0, 480, 40),)))))
    assert len({shape.get("opacity") for shape in shapes(svg, "roll-new")}) == 2


def test_a_strict_content_security_policy_is_kept() -> None:
    svg = piano_roll_svg(TUNE, 1920)
    assert not re.search(r"<style|\sstyle=|<script|\son\w+=|href|data:", svg)


def test_a_huge_piece_is_drawn_coarsely_and_says_so() -> None:
    melody = tuple(Note(60 * step, 50, 40 + step * 7 % 40) for step in range(19_000))
    svg = piano_roll_svg(Piece(480, (Track(melody),)), 60 * 9500)
    assert boxes(svg, "roll-prime") + boxes(svg, "roll-new") <= MOST_BOXES
    assert boxes(svg, "roll-prime") > 0
    assert "drawn as one" in svg
    assert len(svg) < 300_000


def test_bar_lines_follow_the_metre() -> None:
    piece = Piece(480, TUNE.tracks, meters=(MeterChange(0, 3, 4), MeterChange(1440, 2, 4)))
    assert list(bar_lines(piece)) == [0, 1440, 2400, 3360]
