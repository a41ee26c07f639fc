"""Root command ``cim``; the subcommands come from the entry points ``cim.commands``."""

import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer

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
    "ingest": "Load divisions, census, addresses, units, networks, terrain, imagery, city models, plans.",
    "bim": "Upload and list BIM models.",
    "tiles": "Build, list and validate 3D Tiles.",
    "codes": "Check and explain codes.",
    "changes": "List, show, review, undo changes; split, merge, demolish, rebuild buildings.",
    "export": "Write the register to GeoPackage, GeoParquet, FlatGeobuf, CSV, CityJSON.",
    "planning": "What plans say about buildings.",
    "safety": "Appraisals, hazards and inspections of buildings.",
    "units": "Dwellings and other units inside buildings.",
    "token": "Create, list and revoke API tokens.",
    "audit": "List writes, exports, processes and tokens.",
    "address": "Parse, find and reverse addresses.",
    "network": "Trace, isolate, check, simulate and summarise networks.",
    "terrain": "Profiles, contours, sight, earthwork and flow on the terrain.",
}


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"cim {__version__}\n")
        raise typer.Exit


def _options(
    _version: bool = typer.Option(False, "--version", is_eager=True, callback=_print_version, help="Print the version and end."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show debug events."),
) -> None:
    """Open City Information Model platform.

    Example: cim demo
    """
    log.configure(verbose=verbose)


def commands() -> dict[str, EntryPoint]:
    """Return the entry points of all subcommands, in the order of ``cim --help``."""
    found = {point.name: point for point in entry_points(group="cim.commands")}
    return {name: found[name] for name in [*_SUMMARY, *sorted(set(found) - set(_SUMMARY))] if name in found}


def build(wanted: Iterable[str]) -> typer.Typer:
    """Return the root command with the named subcommands loaded and the others as entries of the help page only.

    Loading all of them would import IFC, raster and server packages for a mere ``cim db status``.
    """
    root = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
    root.callback()(_options)
    loaded = set(wanted)
    for name, point in commands().items():
        summary = _SUMMARY.get(name, "")
        sub: typer.Typer = point.load() if name in loaded else typer.Typer()
        if name not in loaded:
            sub.callback(invoke_without_command=True)(_nothing)
        if len(sub.registered_commands) == 1 and sub.registered_callback is None and not sub.registered_groups:
            callback = sub.registered_commands[0].callback
            if callback is not None:
                root.command(name, help=sub.registered_commands[0].help)(callback)
                continue
        root.add_typer(sub, name=name, short_help=summary)
    return root


def _nothing() -> None:
    """Stand in the help page for a command that was not asked for."""


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
        command = typer.main.get_command(build(argument for argument in argv[:3] if not argument.startswith("-")))
        code = command.main(args=argv, prog_name="cim", standalone_mode=False, obj=obj)
    except CimError as error:
        if as_json:
            sys.stdout.write(as_json_error(error.as_dict()) + "\n")
        say(f"Error: [{error.code}] {error.message}" + (f"\nHint: {error.hint}" if error.hint else ""))
        return EXIT_RETRY if error.retryable else EXIT_FAULT
    except typer.Exit as end:
        return end.exit_code
    except typer.BadParameter as error:
        error.show(file=sys.stderr)
        return EXIT_USAGE
    except typer.TyperException as error:
        say(f"Error: {error}\nHint: cim --help")
        return EXIT_USAGE
    except (KeyboardInterrupt, typer.Abort):
        say("Interrupted; what was not finished was not written. Run the same command to go on.")
        return 130
    return code if isinstance(code, int) else 0


def main() -> None:
    """Entry point of the ``cim`` program."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
