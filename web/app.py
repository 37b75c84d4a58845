"""The web application: settings in, Flask application out. Nothing here or below it imports torch."""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version

from apiflask import APIFlask
from flask_babel import Babel
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from core.catalog import CHECKPOINTS, Catalog
from web.api import api
from web.body import MAX_BODY_BYTES
from web.docs import docs
from web.errors import register_errors
from web.events import HEARTBEAT_SECONDS, MAX_AGE_SECONDS, OpenStreams
from web.job_view import Forecast
from web.languages import select_language
from web.metrics import RequestMetrics
from web.openapi import DESCRIPTION, complete
from web.ops import ops
from web.pages import pages
from web.security import SessionCookie, add_headers, refuse_encoded_bodies, trusted_hosts
from worker.jobs.broker import make_celery
from worker.jobs.client import JobClient
from worker.jobs.redis_store import connect
from worker.jobs.settings import Settings
from worker.jobs.store import JobStore

logger = logging.getLogger(__name__)

MAX_FORM_PARTS = 1000  # a page's beat grid sends one part for each hit


def create_app(settings: Settings | None = None, store: JobStore | None = None, catalog: Catalog | None = None) -> APIFlask:
    """What is not given is made: settings from the environment, a store over Redis, the catalogue of the checkpoints."""
    settings = settings or Settings()
    store = store or connect(settings)
    catalog = catalog or Catalog(settings.checkpoints or CHECKPOINTS)

    app = APIFlask("web", title="Ritornello", version=_version(), docs_path=None, json_errors=False)
    _configure(app, settings)
    app.session_interface = SessionCookie()
    if settings.trusted_proxies:
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]

    streams = OpenStreams(settings.sse_limit)
    metrics = RequestMetrics(store, streams)
    app.extensions |= {
        "settings": settings,
        "store": store,
        "catalog": catalog,
        "jobs": JobClient(store, catalog, make_celery(settings), settings),
        "forecast": Forecast(store),
        "streams": streams,
        "metrics": metrics,
    }

    metrics.watch(app)
    app.before_request(refuse_encoded_bodies)
    app.after_request(add_headers)
    register_errors(app)
    Babel(app, locale_selector=select_language)
    CSRFProtect(app).exempt(api)  # it has its own guard: web.security.guard_api
    for blueprint in (pages, api, ops, docs):
        app.register_blueprint(blueprint)
    return app


def _configure(app: APIFlask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=_secret_key(settings),
        TRUSTED_HOSTS=trusted_hosts(settings),
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_BODY_BYTES,
        MAX_FORM_PARTS=MAX_FORM_PARTS,
        SESSION_COOKIE_NAME="ritornello",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=timedelta(days=365),
        WTF_CSRF_TIME_LIMIT=None,  # a form may lie open for days
        EVENTS_MAX_AGE_SECONDS=MAX_AGE_SECONDS,
        EVENTS_HEARTBEAT_SECONDS=HEARTBEAT_SECONDS,
        DESCRIPTION=DESCRIPTION,
        SUCCESS_DESCRIPTION="As asked.",
        SERVERS=[{"url": "/"}],
        AUTO_SERVERS=False,  # it would keep the host name of whoever asked first
        AUTO_404_RESPONSE=False,  # errors are problem documents, declared by each view
        AUTO_VALIDATION_ERROR_RESPONSE=False,
    )
    if settings.api_keys:
        app.config["SECURITY_SCHEMES"] = {"key": {"type": "http", "scheme": "bearer"}}
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.spec_processor(complete)


def _secret_key(settings: Settings) -> str:
    if settings.secret_key is not None:
        return settings.secret_key.get_secret_value()
    logger.warning("RITORNELLO_SECRET_KEY is not set: sessions and open forms end with this process.")
    return secrets.token_hex(32)


def _version() -> str:
    try:
        return version("ritornello")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"
