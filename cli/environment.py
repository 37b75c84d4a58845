"""The environment as the commands read it, and as .env.example documents it (`python -m cli.environment` prints that)."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cli.exits import Failed
from worker.jobs.settings import Settings

URL_VARIABLE = "RITORNELLO_URL"
KEY_VARIABLE = "RITORNELLO_API_KEY"
COMMAND_LINE = {
    URL_VARIABLE: "Command line: the server that generate, jobs and models ask, instead of the one that runs here.",
    KEY_VARIABLE: "Command line: the API key sent to it.",
}
HEADER = """\
# Everything that can be set from outside, each with its default: take away the # of a line to change it.
# `docker compose` reads a file named .env by itself; for `make run`: set -a; . ./.env; set +a; make run
"""


def read_settings() -> Settings:
    """Raises Failed, naming the variable, when one has a value that is not allowed."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        variable = ".".join(str(part) for part in first["loc"])
        raise Failed(f"The environment variable {variable} cannot be used: {first['msg']}.", code="bad_environment") from error


def env_example() -> str:
    entries = [
        (str(field.validation_alias), field.description or "", _as_variable(field.default))
        for field in Settings.model_fields.values()
    ]
    entries += [(name, description, "") for name, description in COMMAND_LINE.items()]
    lines = [HEADER]
    for name, description, default in entries:
        lines += [*(f"# {line}" for line in textwrap.wrap(description, width=116)), f"#{name}={default}", ""]
    return "\n".join(lines)


def _as_variable(default: Any) -> str:
    if default is None or default == {} or default == ():
        return ""
    return str(default) if isinstance(default, str | Path) else f"{default:.15g}"


if __name__ == "__main__":
    print(env_example(), end="")
