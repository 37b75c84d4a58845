"""The languages of the pages, and which one a visitor reads."""

from __future__ import annotations

from flask import request

LANGUAGES = {"en": "English", "pt": "Português"}
COOKIE = "language"
COOKIE_SECONDS = 365 * 24 * 3600


def select_language() -> str:
    """Flask-Babel's locale selector: what the visitor chose on the page, else what the browser asks for, else English."""
    chosen = request.cookies.get(COOKIE)
    if chosen in LANGUAGES:
        return chosen
    asked = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality > 0)  # pt-BR reads pt
    return next((code for code in asked if code in LANGUAGES), "en")
