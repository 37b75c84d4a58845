"""The HTML pages: the studio and its form, a job, the history, the models, and the help."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _

from core.catalog import Card, Catalog
from core.errors import AppError, NotFound
from core.music.beats import DRUMS
from core.music.midi import read_own_midi
from web import beat_grid
from web.errors import problem_of
from web.forms import EXAMPLES, PRIME_FIELDS, StudioForm, error_fault
from web.job_view import eta_seconds
from web.languages import COOKIE, COOKIE_SECONDS, LANGUAGES
from web.playback import notes_to_play
from web.refill import form_again, form_onwards, prime_bytes
from web.renderings import MIDI, rendering
from web.results import variations
from web.security import current_owner
from web.wording import FIELD_LABELS, STATUSES, choice_label, in_language
from worker.jobs.client import JobClient
from worker.jobs.request import GenerationRequest
from worker.jobs.store import JobRecord, JobStore

pages = Blueprint("pages", __name__)

JOBS_PER_PAGE = 20
KINDS = ("music", "text")
PITCHED_WAYS = ("notes", "abc", "midi", "none")
PERCUSSION_WAYS = ("beats", "midi", "none")
_VARIATION = re.compile(r"/continuation-(\d+)\.mid$")
_INSIDE = re.compile(r"/(?![/\\])[!-~]*")
"""A path of ours: browsers read // and /\\ as another host."""


def _jobs() -> JobClient:
    jobs: JobClient = current_app.extensions["jobs"]
    return jobs


def _store() -> JobStore:
    store: JobStore = current_app.extensions["store"]
    return store


def _catalog() -> Catalog:
    catalog: Catalog = current_app.extensions["catalog"]
    return catalog


@pages.app_context_processor
def _words() -> dict[str, Any]:
    """What every template may use."""
    return {
        "language": str(get_locale() or "en"),
        "languages": LANGUAGES,
        "in_language": in_language,
        "choice_label": choice_label,
        "statuses": STATUSES,
        "moment": lambda seconds: datetime.fromtimestamp(seconds, UTC),
        "here": request.full_path.removesuffix("?") if request.method == "GET" else request.path,
    }


@pages.after_request
def _never_shared(response: Response) -> Response:
    """A page is one visitor's, in one language."""
    response.headers.setdefault("Cache-Control", "private, no-cache")
    response.vary.update(("Cookie", "Accept-Language"))
    return response


@pages.get("/")
def studio() -> ResponseReturnValue:
    if again := request.args.get("again"):
        form = form_again(_jobs().get(again, current_owner()), _store())
    elif prime_from := request.args.get("prime_from"):
        job_id, _slash, artifact = prime_from.partition("/")
        form = form_onwards(_jobs().get(job_id, current_owner()), artifact, _store())
    else:
        model = _catalog().cards.get(request.args.get("model", ""))
        form = StudioForm(model.kind if model else _kind(request.args.get("kind")), {"model": model.name} if model else {})
    return _studio_page(form)


@pages.post("/")
def create() -> ResponseReturnValue:
    form = StudioForm.submitted(_kind(request.form.get("kind")), request.form)
    action, _colon, choice = request.form.get("do", "generate").partition(":")
    if action == "preset" and choice in beat_grid.presets():
        form.use_beats(beat_grid.presets()[choice])
    if action == "example" and choice in EXAMPLES:
        form.use_example(choice)
    if action != "generate":  # show what the chosen model offers; all that was typed stays
        return _studio_page(form)
    try:
        asked = form.request(_prime_file(form))
        if asked is not None:
            made = _jobs().submit(asked, current_owner(), form.idempotency_key(asked))
            return redirect(url_for("pages.job", job_id=made.record.id), 303)
    except AppError as error:
        form.blame(error)
        problem = problem_of(error)
        return _studio_page(form), problem.status, problem.headers
    return _studio_page(form), 422


def _kind(asked: str | None) -> str:
    return asked if asked in KINDS else KINDS[0]


def _prime_file(form: StudioForm) -> bytes:
    """The prime's MIDI file, where the form says that it is a file; else nothing."""
    if form.prime_format == "result":
        return prime_bytes(form.value("prime_from"), current_owner(), _jobs(), _store())
    uploaded = request.files.get("prime_file")
    return uploaded.read() if uploaded is not None and form.prime_format == "midi" else b""


def _studio_page(form: StudioForm) -> str:
    cards = [card for card in _catalog().cards.values() if card.kind == form.kind]
    chosen = next((card for card in cards if card.name == form.value("model")), cards[0] if cards else None)
    ways = _ways(chosen, form)
    if ways and form.value("prime_format") not in ways:
        form.begin_with(ways[0])
    return render_template(
        "studio.html",
        form=form,
        cards=cards,
        card=chosen,
        ways=ways,
        grid=beat_grid,
        field_labels=FIELD_LABELS,
        prime_job=form.value("prime_from").partition("/")[0],
        prime_variation=variation[1] if (variation := _VARIATION.search(form.value("prime_from"))) else None,
    )


def _ways(card: Card | None, form: StudioForm) -> list[str]:
    """The ways to begin that make sense for a model, and any that the form already takes."""
    if card is None or card.playable is None:
        return []
    fitting = PERCUSSION_WAYS if card.playable.percussion else PITCHED_WAYS
    ways = [way for way in fitting if ("compose" if way == "none" else "continue") in card.tasks]
    if form.value("prime_from"):
        ways.append("result")
    taken = form.prime_format
    return ways if taken in ways or not form.fault(PRIME_FIELDS.get(taken, "")) else [*ways, taken]


@pages.get("/jobs")
def jobs() -> ResponseReturnValue:
    records, following = _jobs().list(current_owner(), request.args.get("cursor"), JOBS_PER_PAGE)
    shown = [(record, _request_of(record)) for record in records]
    return render_template("jobs.html", jobs=shown, following=following, cards=_catalog().cards)


@pages.get("/jobs/<job_id>")
def job(job_id: str) -> ResponseReturnValue:
    record = _jobs().get(job_id, current_owner())
    asked = _request_of(record)
    results = list(variations(record, _store())) if record.status == "succeeded" else []
    stats = _store().stats()
    return render_template(
        "job.html",
        job=record,
        asked=asked,
        card=_catalog().cards.get(asked.model or ""),
        results=results,
        fault=error_fault("", **record.error) if record.error else None,
        eta=eta_seconds(record, stats),
        nobody_works=record.status == "queued" and stats.workers == 0,
    )


@pages.post("/jobs/<job_id>/cancel")
def cancel(job_id: str) -> ResponseReturnValue:
    record = _jobs().cancel(job_id, current_owner())
    return redirect(url_for("pages.job", job_id=record.id), 303)


@pages.get("/jobs/<job_id>/notes/<artifact>")
def notes(job_id: str, artifact: str) -> ResponseReturnValue:
    """What the player of the page plays."""
    found = rendering(_store(), _jobs().get(job_id, current_owner()), artifact)
    if found.media_type != MIDI:
        raise NotFound(_("Only music can be played."))
    return notes_to_play(read_own_midi(found.data))


@pages.get("/models")
def models() -> ResponseReturnValue:
    return render_template("models.html", cards=list(_catalog().cards.values()))


@pages.get("/help/notation")
def notation() -> ResponseReturnValue:
    drums = [(drum, beat_grid.DRUM_LABELS.get(pitch, drum)) for drum, pitch in DRUMS.items()]
    return render_template("notation.html", drums=drums)


@pages.get("/language/<code>")
def language(code: str) -> ResponseReturnValue:
    """Remember the visitor's language, and go back to where they were."""
    if code not in LANGUAGES:
        raise NotFound(_("There is no such language here."))
    back = request.args.get("next", "/")
    response = make_response(redirect(back if _INSIDE.fullmatch(back) else "/", 303))
    response.set_cookie(COOKIE, code, max_age=COOKIE_SECONDS, samesite="Lax", httponly=True, secure=request.is_secure)
    return response


def _request_of(record: JobRecord) -> GenerationRequest:
    return GenerationRequest.model_validate_json(record.request)
