"""Root command ``cim``; the subcommands come from the entry points ``cim.commands``."""

import sys
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click
import typer
from typer.core import TyperGroup

from cim import __version__, log
from cim.cli_support import EXIT_FAULT, EXIT_RETRY, EXIT_USAGE, as_json_error, say
from cim.errors import CimError

_SUMMARY = {
    "up": "Start the store, bring its schema up to date, serve and work on jobs.",
    "demo": "Load the sample city, build its tiles and serve it.",
    "serve": "Serve OGC API, 3D Tiles and the viewer.",
    "worker": "Work on queued jobs.",
    "doctor": "Check this machine and the store.",
    "db": "Start, stop, migrate, back up the store.",
    "ingest": "Load divisions, census, addresses, networks, terrain.",
    "bim": "Upload and list BIM models.",
    "tiles": "Build, list and validate 3D Tiles.",
    "codes": "Check and explain codes.",
}


class _LazyGroup(TyperGroup):
    """Loads a subcommand's package only when it is used: ``cim --help`` imports none of them."""

    def _entry_points(self) -> dict[str, EntryPoint]:
        return {point.name: point for point in entry_points(group="cim.commands")}

    def list_commands(self, ctx: click.Context) -> list[str]:
        names = self._entry_points()
        return [name for name in _SUMMARY if name in names] + sorted(set(names) - set(_SUMMARY))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        point = self._entry_points().get(cmd_name)
        if point is None:
            return None
        if ctx.resilient_parsing or ("--help" in sys.argv[1:2]):
            return click.Command(cmd_name, help=_SUMMARY.get(cmd_name, ""))
        command: click.Command = typer.main.get_command(point.load())
        command.name = cmd_name
        return command


app = typer.Typer(cls=_LazyGroup, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def root(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),  # noqa: FBT001,FBT003,RUF100 - typer's form
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show debug events."),  # noqa: FBT001,FBT003,RUF100 - typer's form
) -> None:
    """Open City Information Model platform.

    Example: cim demo
    """
    log.configure(verbose=verbose)
    if version:
        sys.stdout.write(f"cim {__version__}\n")
        raise typer.Exit


def run(argv: list[str], *, obj: Any = None) -> int:  # noqa: ANN401 - settings handed over by tests and demo
    """Run a command line and return its exit code: 0, 1 (fault), 2 (usage), 75 (try again), 130 (interrupted).

    Parameters
    ----------
    argv
        Arguments after ``cim``.
    obj
        Settings to use instead of the environment.
    """
    as_json = "--json" in argv
    try:
        command = typer.main.get_command(app)
        code = command.main(args=argv, prog_name="cim", standalone_mode=False, obj=obj)
    except CimError as error:
        if as_json:
            sys.stdout.write(as_json_error(error.as_dict()) + "\n")
        say(f"Error: [{error.code}] {error.message}" + (f"\nHint: {error.hint}" if error.hint else ""))
        return EXIT_RETRY if error.retryable else EXIT_FAULT
    except click.UsageError as error:
        error.show(file=sys.stderr)
        return EXIT_USAGE
    except (KeyboardInterrupt, click.Abort):
        say("Interrupted; what was not finished was not written. Run the same command to go on.")
        return 130
    except click.exceptions.Exit as end:
        return end.exit_code
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the ``cim`` program."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
