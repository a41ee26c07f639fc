"""``cim codes``: check and explain codes."""

from pathlib import Path

import typer

from cim.cli_support import EXIT_FAULT, emit, table
from cim.codes import registry
from cim.errors import CodeError, SourceSyntaxError

app = typer.Typer(no_args_is_help=True, help="Check and explain building, unit and other codes.")
scheme_app = typer.Typer(no_args_is_help=True, help="Code schemes.")
app.add_typer(scheme_app, name="scheme")

AsJson = typer.Option(False, "--json", help="Print one JSON document.")


def _read_codes(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise SourceSyntaxError(file, error.strerror or "cannot be read", hint="give a text file, one code per line") from error
    except UnicodeDecodeError as error:
        raise SourceSyntaxError(file, f"not UTF-8 at byte {error.start}", hint="save the list as UTF-8") from error


@app.command()
def check(
    codes: list[str] = typer.Argument(None, help="Codes to check."),
    file: Path | None = typer.Option(None, "--file", help="Text file, one code per line."),
    scheme: str | None = typer.Option(None, "--scheme", help="Scheme id; without it the scheme is known by the length."),
    as_json: bool = AsJson,
) -> None:
    """Check codes: layout and check digit. Exit 1 when any is wrong.

    Example: cim codes check 330109001001202100000100015
    """
    rows = []
    for code in [*(codes or []), *(_read_codes(file) if file else [])]:
        try:
            chosen = registry.scheme(scheme) if scheme else registry.recognise(code)
            chosen.verify(code)
            rows.append({"code": code, "scheme": chosen.id, "valid": True, "fault": ""})
        except CodeError as error:
            rows.append({"code": code, "scheme": scheme or "", "valid": False, "fault": error.message})
    if not rows:
        raise typer.BadParameter("give codes or --file")
    emit(
        rows,
        as_json=as_json,
        text=lambda console: console.print(
            table(
                "Codes",
                ["code", "scheme", "", "fault"],
                [[r["code"], r["scheme"], "ok" if r["valid"] else "wrong", r["fault"]] for r in rows],
            )
        ),
    )
    if not all(row["valid"] for row in rows):
        raise typer.Exit(EXIT_FAULT)


@app.command()
def explain(code: str = typer.Argument(..., help="A code."), as_json: bool = AsJson) -> None:
    """Cut a code into its segments, in words.

    Example: cim codes explain 330109001001202100000100015
    """
    chosen = registry.recognise(code)
    rows = registry.explain(code, chosen)
    emit(
        {
            "code": code,
            "scheme": chosen.id,
            "segments": [dict(zip(("id", "value", "en", "zh"), row, strict=True)) for row in rows],
        },
        as_json=as_json,
        text=lambda console: console.print(
            table(f"{code}  {chosen.title_en} {chosen.title_zh}", ["segment", "value", "meaning", "含义"], rows)
        ),
    )
    chosen.verify(code)


@scheme_app.command("list")
def list_schemes(as_json: bool = AsJson) -> None:
    """List the code schemes this platform knows.

    Example: cim codes scheme list
    """
    rows = [
        {
            "id": s.id,
            "length": s.segments[-1].end,
            "en": s.title_en,
            "zh": s.title_zh,
            "issued": s.issued,
            "source": s.source,
        }
        for s in registry.SCHEMES.values()
    ]
    emit(
        rows,
        as_json=as_json,
        text=lambda console: console.print(table("Schemes", list(rows[0]), [list(row.values()) for row in rows])),
    )
