"""The `ritornello` command."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from cli.exits import DONE, FAILED, INTERRUPTED
from cli.generate import generate
from cli.jobs import jobs
from cli.keys import keys
from cli.models import models
from cli.train import train
from cli.up import up


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--debug", is_flag=True, help="Print the traceback of an error that was not foreseen.")
@click.version_option(package_name="ritornello")
def ritornello(debug: bool) -> None:
    """Generate music and text with recurrent networks, on your own machine.

    \b
    Exit codes: 0 done · 1 we failed · 2 wrong command line · 3 the request was refused ·
    4 the server cannot be reached · 130 interrupted
    """


for verb in (up, generate, models, jobs, train, keys):
    ritornello.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit; every error ends in one sentence on stderr."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        outcome = ritornello.main(arguments, prog_name="ritornello", standalone_mode=False)
    except click.Abort:
        click.echo("ritornello: interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # whoever read our output has left
        sys.stdout = None  # so that nothing is flushed to it at exit
        return FAILED
    return outcome if isinstance(outcome, int) else DONE


if __name__ == "__main__":
    main()
