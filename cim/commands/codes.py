"""``cim codes``: check and explain codes."""

from pathlib import Path
from typing import Any

import typer

from cim.cli_support import EXIT_FAULT, emit, say, settings_from, table
from cim.codes import building, bulk, registry
from cim.codes.meaning import division_part, meaning
from cim.codes.repair import slips
from cim.codes.scheme import CodeScheme
from cim.db import codes as store
from cim.db import engine, migrate
from cim.errors import CodeError, SourceSyntaxError, StoreError
from cim.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Check and explain building, unit and other codes.")
scheme_app = typer.Typer(no_args_is_help=True, help="Code schemes.")
app.add_typer(scheme_app, name="scheme")

_MOST_LIKELY = 5
AsJson = typer.Option(False, "--json", help="Print one JSON document.")


def _read_codes(file: Path) -> list[str]:
    try:
        return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except OSError as error:
        raise SourceSyntaxError(file, error.strerror or "cannot be read", hint="give a text file, one code per line") from error
    except UnicodeDecodeError as error:
        raise SourceSyntaxError(file, f"not UTF-8 at byte {error.start}", hint="save the list as UTF-8") from error


def _fault(code: str, scheme: str | None) -> tuple[str, str]:
    """Return the scheme a code was checked against and its fault, empty where it is right."""
    try:
        chosen = registry.scheme(scheme) if scheme else registry.recognise(code)
        chosen.verify(code)
    except CodeError as error:
        return scheme or "", error.message
    return chosen.id, ""


def _check_all(codes: list[str], scheme: str | None) -> list[dict[str, Any]]:
    """Check codes, those of the issued schemes all at once."""
    right: dict[str, str] = {}
    for one in (building.BUILDING, building.UNIT):
        mine = [code for code in codes if len(code) == one.segments[-1].end] if scheme in (None, one.id) else []
        if bulk.can_check(one, len(mine)):
            right |= {code: one.id for code, fine in zip(mine, bulk.passes(mine, one), strict=True) if fine}
    rows = []
    for code in codes:
        found, fault = (right[code], "") if code in right else _fault(code, scheme)
        rows.append({"code": code, "scheme": found, "valid": not fault, "fault": fault})
    return rows


@app.command()
def check(
    codes: list[str] = typer.Argument(None, help="Codes to check."),
    file: Path | None = typer.Option(None, "--file", help="Text file, one code per line; people are shown the wrong ones only."),
    scheme: str | None = typer.Option(None, "--scheme", help="Scheme id; without it the scheme is known by the length."),
    as_json: bool = AsJson,
) -> None:
    """Check codes: layout and check digit. Exit 1 when any is wrong.

    Example: cim codes check 330109001001202100000100015
    """
    rows = _check_all([*(codes or []), *(_read_codes(file) if file else [])], scheme)
    if not rows:
        raise typer.BadParameter("give codes or --file")
    wrong = sum(not row["valid"] for row in rows)
    shown = [row for row in rows if file is None or not row["valid"]]
    cells = [[r["code"], r["scheme"], "ok" if r["valid"] else "wrong 错误", r["fault"]] for r in shown]
    title = f"Codes 编码: {len(rows)} checked 已检查, {wrong} wrong 错误"
    emit(rows, as_json=as_json, text=lambda console: console.print(table(title, ["code", "scheme", "", "fault"], cells)))
    if wrong:
        raise typer.Exit(EXIT_FAULT)


def _from_store(
    settings: Settings, chosen: CodeScheme, code: str, candidates: list[str]
) -> tuple[list[dict[str, str | None]], dict[str, str], str]:
    """Return divisions, where the candidates are known, and why the store was not asked, if so."""
    try:
        migrate.require_current(settings)
        with engine.connect(settings) as connection:
            divisions = store.fetch_division_names(connection, division_part(chosen, code), _assign_year(chosen, code))
            return divisions, store.which_are_known(connection, candidates), ""
    except StoreError as error:
        return [], {}, error.message


def _assign_year(chosen: CodeScheme, code: str) -> int | None:
    year = chosen.split(code).get("assign_year", "")
    return int(year) if year.isdigit() and int(year) > 0 else None


def _division_words(division: dict[str, str | None]) -> str:
    remarks = [
        f"then 当时 {division['name_then']}" if division["name_then"] else "",
        f"withdrawn 撤销 {division['withdrawn_on']}" if division["withdrawn_on"] else "",
        f"now 现 {division['successor_code']}" if division["successor_code"] else "",
    ]
    said = ", ".join(filter(None, remarks))
    return f"{division['name']} ({said})" if said else str(division["name"])


@app.command()
def explain(ctx: typer.Context, code: str = typer.Argument(..., help="A code."), as_json: bool = AsJson) -> None:
    """Cut a code into its segments, in words; on a wrong check digit say what it most likely meant. Exit 1 when it is wrong.

    Example: cim codes explain 330109001001202100000100015
    """
    chosen = registry.recognise(code)
    segments = [
        {
            "id": name,
            "value": value,
            "en": en,
            "zh": zh,
            "means": meaning(chosen, name, value)[0],
            "means_zh": meaning(chosen, name, value)[1],
        }
        for name, value, en, zh in registry.explain(code, chosen)
    ]
    _, fault = _fault(code, chosen.id)
    near = slips(code, chosen) if fault else []
    divisions, known, silent = _from_store(settings_from(ctx), chosen, code, [slip.code for slip in near])
    # What the register has first, then codes of divisions that exist, then the rest in the order of the slips.
    near.sort(key=lambda slip: (slip.code not in known, known.get(slip.code, "").startswith("division")))
    likely = [{"code": s.code, "what": s.what, "what_zh": s.what_zh, "known_as": known.get(s.code)} for s in near[:_MOST_LIKELY]]
    data = {
        "code": code, "scheme": chosen.id, "valid": not fault, "fault": fault, "segments": segments,
        "divisions": divisions, "likely": likely,
    }  # fmt: skip

    def draw(console: Any) -> None:  # noqa: ANN401 - rich console
        cells = [[s["id"], s["value"], f"{s['en']} {s['zh']}", f"{s['means']} {s['means_zh']}".strip()] for s in segments]
        console.print(
            table(f"{code}  {chosen.title_en} {chosen.title_zh}", ["segment", "value", "meaning 含义", "value means 取值"], cells)
        )
        if divisions:
            console.print(" › ".join(map(_division_words, divisions)), markup=False)
        elif silent:
            console.print(f"division names need the store: {silent}")
        if likely:
            rows = [[s["code"], f"{s['what']} {s['what_zh']}", s["known_as"] or ""] for s in likely]
            console.print(table("Most likely meant 最可能的原码", ["code", "slip 差错", "known as 已登记"], rows))

    emit(data, as_json=as_json, text=draw)
    if fault:
        say(fault)
        raise typer.Exit(EXIT_FAULT)


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


@scheme_app.command("show")
def show_scheme(scheme: str = typer.Argument(..., help="Scheme id, e.g. CIM-BC27-v1."), as_json: bool = AsJson) -> None:
    """Show a code scheme: its segments, pattern, check and source.

    Example: cim codes scheme show CIM-BC27-v1
    """
    chosen = registry.scheme(scheme)
    segments = [{"id": s.name, "first": s.start + 1, "last": s.end, "en": s.title_en, "zh": s.title_zh} for s in chosen.segments]
    data = {
        "id": chosen.id, "en": chosen.title_en, "zh": chosen.title_zh, "length": chosen.segments[-1].end, "pattern": chosen.pattern,
        "check_characters": chosen.n_check, "issued": chosen.issued, "source": chosen.source, "segments": segments,
    }  # fmt: skip

    def draw(console: Any) -> None:  # noqa: ANN401 - rich console
        console.print(table(f"{chosen.id}  {chosen.title_en} {chosen.title_zh}", list(segments[0]), [list(s.values()) for s in segments]))
        console.print(f"{chosen.source}; pattern 格式 {chosen.pattern}", markup=False)

    emit(data, as_json=as_json, text=draw)
