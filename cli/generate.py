"""`ritornello generate`: on a server when there is one, in this process when there is none."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from cli import in_process, remote
from cli.exits import Verb
from cli.find_server import find_server, server_options
from cli.http import Server
from cli.made import Made, write_files
from cli.progress import progress_bar
from cli.request_options import asks_for_text, build_request
from worker.jobs.request import GenerationRequest

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
DEFAULT_FOLDER = Path("out")


@click.command("generate", cls=Verb)
@click.option("--model", help="Which model; `ritornello models` lists them.")
@click.option("--task", type=click.Choice(["continue", "compose"]), help="Continue a prime, or compose from nothing.")
@click.option("--prime", type=FILE, help="The opening to continue: a MIDI file, or .abc, or typed notes in a .txt.")
@click.option("--notes", metavar="TEXT|FILE", help="The opening as typed notes: D4:1 F4:0.5 A4:0.5 r:1")
@click.option("--abc", metavar="TEXT|FILE", help="The opening in ABC notation.")
@click.option("--beats", multiple=True, metavar="DRUM=BEATS", help="The opening as 16ths, once a drum: kick=x...x...")
@click.option("--prompt", metavar="TEXT", help="The text to continue.")
@click.option("--prompt-file", type=click.File(encoding="utf-8"), help="The same from a file; - is standard input.")
@click.option("--bars", type=int, help="Bars to add.")
@click.option("--key", help="A key, such as 'D minor'.")
@click.option("--meter", help="A metre, such as 6/8.")
@click.option("--tempo", type=float, help="Quarter notes a minute.")
@click.option("--style", help="A style that the model knows.")
@click.option("--words", type=int, help="Text: words to add.")
@click.option("--sentences", type=int, help="Text: sentences to add.")
@click.option("--stop", multiple=True, metavar="TEXT", help="Text: end before this (may be repeated).")
@click.option("--temperature", type=float, help="0 always takes the likeliest, 1 is the model's own, up to 2.")
@click.option("--top-k", type=int, help="Draw from the k likeliest only; 0 is off.")
@click.option("--top-p", type=float, help="Draw from the likeliest that make up p; 1 is off.")
@click.option("--repetition-penalty", type=float, help="Weaken what was said lately, 1 to 2; 1 is off.")
@click.option("--seed", type=int, help="The same request with the same seed gives the same bytes.")
@click.option("--variations", type=int, help="How many, 1 to 8.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for the files. Music: out/. Text: printed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
@server_options
def generate(out: Path | None, as_json: bool, server_url: str | None, api_key: str | None, **options: Any) -> None:
    """Continue a prime or a prompt, or compose from nothing."""
    if (prompt_file := options.pop("prompt_file")) is not None:
        if options["prompt"] is not None:
            raise click.UsageError("Give --prompt or --prompt-file, not both.")
        options["prompt"] = _read(prompt_file)
    server = find_server(server_url, api_key)
    raw = build_request(_kind(options, server), options)
    request = GenerationRequest.model_validate(raw)
    with progress_bar("generating", quiet=as_json) as progress:
        made = remote.generate(server, raw, progress) if server else in_process.generate(request, progress)
    if out is None and request.kind == "music":
        out = DEFAULT_FOLDER
    files = {} if out is None else write_files(made.variations, out)
    if as_json:
        click.echo(json.dumps(made.document(files), ensure_ascii=False))
    else:
        _show(made, files)


def _read(stream: Any) -> str:
    try:
        return str(stream.read())
    except UnicodeDecodeError as error:
        raise click.UsageError(f"The prompt is not a text in UTF-8 (byte {error.start}).") from error


def _kind(options: dict[str, Any], server: Server | None) -> str:
    """Text when an option says so, or when the model is one for text; otherwise music."""
    if asks_for_text(options):
        return "text"
    if options["model"] is None:
        return "music"
    if server is None:
        return in_process.catalog().card(options["model"]).kind
    kinds = {card["name"]: str(card["kind"]) for card in server.get("/api/v1/models")["models"]}
    return kinds.get(options["model"], "music")  # an unknown model is for the server to refuse


def _show(made: Made, files: dict[int, Path]) -> None:
    for variation in made.variations:
        if variation.number in files:
            click.echo(f"{files[variation.number]}  {variation.summary()}")
            continue
        if len(made.variations) > 1:
            click.echo(f"── {variation.number} ({variation.summary()})", file=sys.stderr)
        click.echo(variation.text)
