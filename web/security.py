"""Who is asking, and what a browser may do: owners, the guard of the API, and the headers of every answer."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from flask import Flask, Request, Response, current_app, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized, UnsupportedMediaType

from worker.jobs.settings import Settings

LOCAL_OWNER = "local"
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "[::1]")

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; "
    "img-src 'self' data:; worker-src 'self' blob:"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "midi=(self), camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class SessionCookie(SecureCookieSessionInterface):
    """Flask's signed cookie, `Secure` exactly when the request came over TLS: one setting serves loopback and the internet."""

    def get_cookie_secure(self, app: Flask) -> bool:
        return request.is_secure

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Programs send no cookie: nothing has to be made ready to check one."""
        if not request.cookies.get(self.get_cookie_name(app)):
            return self.session_class()
        return super().open_session(app, request)


def trusted_hosts(settings: Settings) -> list[str] | None:
    """The host names that a request may carry; None is any.

    A server that listens on loopback alone answers to loopback's names alone: otherwise a foreign page could reach it
    under a name of its own that resolves to 127.0.0.1 (DNS rebinding).
    """
    if settings.trusted_hosts:
        return list(settings.trusted_hosts)
    alone = settings.host in ("localhost", "::1") or settings.host.startswith("127.")
    return list(LOOPBACK_HOSTS) if alone and not settings.trusted_proxies else None


def current_owner() -> str:
    """Whose jobs this request may see and make: `local`, the name of an API key, or a browser's session.

    Raises Unauthorized for a wrong key; and, on the API when keys are configured, for none, unless the browser has been
    given a session by a page.
    """
    if "owner" not in g:
        g.owner = _key_owner() or _browser_owner()
    return str(g.owner)


def guard_api() -> None:
    """Before each request to the API: it must have an owner, and must not be a foreign page's doing.

    A browser sends the session cookie, and reaches loopback, on behalf of any page; so a write without a key is refused
    unless it comes from our own pages, or from no browser.
    """
    current_owner()
    if request.method in _READS or _bears_key():
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    # Another port or subdomain is "same-site" and still foreign.
    foreign = site not in ("same-origin", "none") if site else origin is not None and origin.rpartition("://")[2] != request.host
    if foreign:
        raise Forbidden("A page of another site may not do this.")


def refuse_encoded_bodies() -> None:
    """A compressed body could unpack to any size; none is accepted."""
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding.")


def add_headers(response: Response) -> Response:
    if request.blueprint in ("api", "ops"):
        response.headers.setdefault("Cache-Control", "private, no-cache")  # it may be different the next second
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings


def _bears_key() -> bool:
    return bool(_settings().api_keys) and "Authorization" in request.headers


def _key_owner() -> str | None:
    """The name of the key in the Authorization header; None where there is no header, or no keys are configured."""
    if not _bears_key():
        return None
    scheme, _, key = request.headers["Authorization"].partition(" ")
    digest = hashlib.sha256(key.strip().encode()).hexdigest()
    # Every key is compared, in constant time each: how long it takes tells nothing.
    names = [name for name, known in _settings().api_keys.items() if hmac.compare_digest(digest, known)]
    if scheme.lower() != "bearer" or not names:
        raise Unauthorized("This API key is not known.", www_authenticate=WWWAuthenticate("bearer", {"realm": "Ritornello"}))
    return names[0]


def _browser_owner() -> str:
    settings = _settings()
    on_api = request.blueprint == "api"
    if settings.owners == LOCAL_OWNER and not settings.api_keys:
        return LOCAL_OWNER
    if "visitor" not in session:
        if on_api and settings.api_keys:
            raise Unauthorized(
                "Send an API key: Authorization: Bearer …", www_authenticate=WWWAuthenticate("bearer", {"realm": "Ritornello"})
            )
        session["visitor"] = secrets.token_urlsafe(16)
        session.permanent = True
    # The colon keeps a session from ever having the name of a key.
    return LOCAL_OWNER if settings.owners == LOCAL_OWNER else f"session:{session['visitor']}"
