"""``cim planning``: what plans say about buildings."""

import typer
from rich.console import Console

from cim.analysis.planning import check_building, report_of
from cim.cli_support import emit, settings_from, table
from cim.db import engine, migrate
from cim.db import planning as store
from cim.db.profiles import fetch_profile

app = typer.Typer(no_args_is_help=True, help="What plans say about buildings.")

_HEAD = {
    "en": ("verdict", "rule", "zone", "control", "what was found"), "zh": ("结论", "规则", "分区", "管控类型", "说明"),
}  # fmt: skip
_VERDICTS = {"kept": "符合", "broken": "不符合", "applies": "须审批", "unknown": "无法判定"}


@app.callback()
def main() -> None:
    """Keep the command group even while it has one command."""


@app.command()
def check(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Building code."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Check a building against the planning zones it stands in; exit code 0 also where a rule is broken.

    Example: cim planning check 420111002015202600000200011
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        building = store.fetch_building(connection, code)
        zones = store.fetch_zones_at(connection, code, fetch_profile(connection).projected_crs)
    findings = check_building(building, zones)
    language = settings.language

    def draw(console: Console) -> None:
        if not findings:
            console.print("no planning zone in force says anything here; cim ingest planning loads plans", markup=False)
            return
        rows = [
            [_VERDICTS[f.verdict] if language == "zh" else f.verdict, f.rule, f.zone, f.control, f.zh if language == "zh" else f.en]
            for f in findings
        ]
        console.print(table(f"Planning 规划 {code}", _HEAD[language], rows))

    emit(report_of(building, findings), as_json=as_json, text=draw)
