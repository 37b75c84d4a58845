"""How a command ends: the exit codes, and the one place that turns errors into a sentence and a code.

0  done                       3  the request was refused: change it and ask again
1  we failed                  4  the server cannot be reached
2  the command line is wrong  130  interrupted
"""

from __future__ import annotations

import json
import traceback
from typing import Any, ClassVar

import click
from pydantic import ValidationError

from core.errors import AppError, RequestError

DONE = 0
FAILED = 1
USAGE = 2
REFUSED = 3
UNREACHABLE = 4
INTERRUPTED = 130

UNFORESEEN = "internal_error"


class Stop(click.ClickException):
    """Ends the command with one clear sentence. `code` and `field` are those of core.errors, for scripts."""

    exit_code: ClassVar[int] = FAILED

    def __init__(self, message: str, *, code: str = "error", field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field

    def show(self, file: Any = None) -> None:
        place = f" (field {self.field})" if self.field else ""
        click.echo(f"ritornello: {self.message}{place}", err=True)

    def document(self) -> str:
        """The error as the one JSON document that --json promises."""
        return json.dumps({"error": {"code": self.code, "message": self.message, "field": self.field}}, ensure_ascii=False)


class Failed(Stop):
    """Something on our side, or on this machine, went wrong."""

    exit_code = FAILED


class Refused(Stop):
    """The request cannot be carried out as it is."""

    exit_code = REFUSED


class Unreachable(Stop):
    """No server, or none that answers."""

    exit_code = UNREACHABLE


class Verb(click.Command):
    """A command whose errors end in a sentence and an exit code and, under --json, in a document; never in a traceback.

    `ritornello --debug …` prints the traceback of an error that nobody foresaw.
    """

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.UsageError, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            stop = as_stop(error)
            if stop.code == UNFORESEEN and ctx.find_root().params.get("debug"):
                traceback.print_exc()
            if ctx.params.get("as_json"):
                click.echo(stop.document())
            raise stop from error


def as_stop(error: Exception) -> Stop:
    if isinstance(error, Stop):
        return error
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        return Refused(f"{first['msg'].removeprefix('Value error, ')}.", code="invalid_field", field=place or None)
    if isinstance(error, RequestError):
        return Refused(error.message, code=error.code, field=error.field)
    if isinstance(error, AppError):
        return Failed(error.message, code=error.code)
    return Failed(f"something broke that we did not foresee: {type(error).__name__}: {error}", code=UNFORESEEN)
