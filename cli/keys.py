"""`ritornello keys`: make an API key."""

from __future__ import annotations

import hashlib
import json
import secrets

import click

from cli.exits import Verb
from worker.jobs.settings import API_KEY


@click.command("keys", cls=Verb)
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def keys(name: str, as_json: bool) -> None:
    """Make an API key for NAME. It is shown once; the server is given only its hash, in RITORNELLO_API_KEYS."""
    key = secrets.token_urlsafe(32)
    entry = f"{name}:{hashlib.sha256(key.encode()).hexdigest()}"
    if API_KEY.fullmatch(entry) is None:
        raise click.UsageError("NAME may have up to 64 letters, digits, '_', '-' and '.'.")
    if as_json:
        click.echo(json.dumps({"name": name, "key": key, "entry": entry}))
        return
    click.echo(f"The key of {name}, shown only now:\n  {key}")
    click.echo(f"Add this to the comma list in RITORNELLO_API_KEYS, and start the web server again:\n  {entry}")
