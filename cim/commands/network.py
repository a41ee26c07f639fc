"""``cim network``: trace, isolate, check, summary; each as table, JSON or GeoPackage."""

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cim.cli_support import emit, say, settings_from, table
from cim.commands import network_analyses, network_outage
from cim.commands.network_support import AsJson, Kind, Out, check_kind, counts, save_parts
from cim.db import changes, engine, migrate, network_links, network_queries, network_reads, profiles
from cim.db.network_checks import CheckOptions, check_network
from cim.db.network_graph import load_view
from cim.errors import InvalidParameterError
from cim.exchange.network_package import write_findings

app = typer.Typer(no_args_is_help=True, help="Trace, isolate, check, simulate and summarise networks.")
app.add_typer(network_outage.app, name="outage")
network_analyses.add_to(app)

_DIRECTIONS = ("connected", "upstream", "downstream")


@app.command()
def trace(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Code of a point or line; the point to start from with --to."),
    kind: str = Kind,
    direction: str = typer.Option("connected", "--direction", help="connected, upstream or downstream."),
    to: str | None = typer.Option(None, "--to", help="Shortest way to this point instead."),
    within: float | None = typer.Option(None, "--within", help="All within this distance along the network instead [m]."),
    barrier: list[str] = typer.Option([], "--barrier", help="Code where the trace stops; may be repeated."),
    through_shut: bool = typer.Option(False, "--through-shut", help="Pass closed valves and open switches too."),
    drawing: Path | None = typer.Option(None, "--profile", help="Draw the longitudinal profile of the way to --to (SVG)."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find what is connected to a part, lies upstream or downstream of it, or on the way to another one.

    Example: cim network trace WA420111-L2026000001 --kind water --direction downstream --out trace.gpkg
    """
    if direction not in _DIRECTIONS:
        raise InvalidParameterError("--direction", direction, f"one of {', '.join(_DIRECTIONS)}")
    if drawing is not None and to is None:
        raise InvalidParameterError("--profile", str(drawing), "--to CODE with it")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        view = load_view(connection, check_kind(kind))
        if to is not None:
            data, profile = network_queries.profile_along(connection, view, code, to)
            if drawing is not None:
                from cim.analysis.network.profile import draw_profile

                drawing.write_text(draw_profile(profile, title=f"{code} – {to}"), encoding="utf-8")
                say(f"drawn: {drawing}")
        elif within is not None:
            data = network_queries.area_within(view, [code], within)
        else:
            data = network_queries.trace_from(view, code, direction, through_shut=through_shut, barriers=barrier)  # type: ignore[arg-type]  # checked above
        save_parts(connection, kind, [("line", "edge", data["lines"]), ("point", "node", data["points"])], out)
    emit(data, as_json=as_json, text=counts("Trace 追踪", data))


@app.command()
def isolate(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Code of the burst line or point."),
    kind: str = Kind,
    broken: list[str] = typer.Option([], "--broken", help="Valve that turned out broken; may be repeated."),
    inaccessible: list[str] = typer.Option([], "--inaccessible", help="Valve that cannot be reached; may be repeated."),
    proposed: list[str] = typer.Option([], "--proposed", help="Part where a valve is imagined; may be repeated."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find the valves to close around a burst, and who is out of service.

    Example: cim network isolate WA420111-L2026000001 --kind water --broken WA420111-N2026000007
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        view = load_view(connection, check_kind(kind))
        data = network_queries.isolate_part(connection, view, code, broken=broken, inaccessible=inaccessible, proposed=proposed)
        marks = data["close"]
        roles = [
            ("dry", "edge", data["dry_lines"]), ("cut_off", "edge", data["cut_off_lines"]), ("connection", "node", data["connections"]),
            ("close_valve_point", "node", marks), ("close_valve_line", "edge", marks),
        ]  # fmt: skip
        save_parts(connection, kind, roles, out)
    emit(data, as_json=as_json, text=counts("Isolation 关阀分析", data))


@app.command()
def check(
    ctx: typer.Context,
    kind: str = Kind,
    tolerance_m: float = typer.Option(0.5, "--tolerance", min=0, help="Points closer than this are taken for one [m]."),
    clearance_m: float = typer.Option(0.1, "--clearance", min=0, help="Least clearance between two networks [m]."),
    cover_m: float | None = typer.Option(None, "--cover", min=0, help="Least cover [m]; default by kind."),
    report: Path | None = typer.Option(None, "--report", help="Folder for check.html, check.json and check.gpkg."),
    as_json: bool = AsJson,
) -> None:
    """Check topology, gravity, cover and clearances; every finding comes with a proposal.

    Example: cim network check --kind sewage --report check/
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        view = load_view(connection, check_kind(kind))
        plane = profiles.fetch_profile(connection).projected_crs
        found = check_network(connection, view, plane, CheckOptions(tolerance_m, clearance_m, cover_m))
        figures = network_queries.describe(view)
    by_rule: dict[str, int] = {}
    for row in found:
        by_rule[row["rule"]] = by_rule.get(row["rule"], 0) + 1
    plain = [{name: value for name, value in row.items() if name != "wkb"} for row in found]
    data: dict[str, Any] = {"kind": kind, "by_rule": dict(sorted(by_rule.items())), "network": figures, "findings": plain}
    if report is not None:
        write_findings(report, data, found, language=settings.language)
        say(f"report: {report / 'check.html'}")

    def draw(console: Console) -> None:
        rows = [(rule, next(r["severity"] for r in found if r["rule"] == rule), n, next(r["message"] for r in found if r["rule"] == rule))
                for rule, n in data["by_rule"].items()]  # fmt: skip
        console.print(table("Check 拓扑检查", ["rule 规则", "级别", "n", ""], rows))

    emit(data, as_json=as_json, text=draw)


@app.command()
def link(
    ctx: typer.Context,
    code: str | None = typer.Argument(None, help="Point or line to link by hand, with --serves."),
    kind: str = Kind,
    serves: str | None = typer.Option(None, "--serves", help="Code of the building or address that CODE serves."),
    remove: bool = typer.Option(False, "--remove", help="Remove the link of CODE and --serves instead."),
    within: float = typer.Option(network_links.NEAREST_WITHIN_M, "--within", min=0, help="Greatest distance to a footprint [m]."),
    dataset: str | None = typer.Option(None, "--dataset", help="Parts of this dataset only."),
    author: str | None = typer.Option(None, "--author", help="Who; default: the account."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check everything, write nothing."),
    as_json: bool = AsJson,
) -> None:
    """Link connections to the buildings and addresses they serve: as the source says, else to the nearest building.

    Example: cim network link --kind water --within 20
    """
    if (code is None) != (serves is None):
        raise InvalidParameterError("--serves", str(serves), "CODE and --serves together, or neither")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        change_set = changes.open_change_set(
            connection, author=author or getpass.getuser(), operation="link", reason=f"{check_kind(kind)} service links"
        )
        if code is not None and serves is not None:
            network_links.set_link(connection, kind, code, serves, change_set, remove=remove)
            data: dict[str, Any] = {"part": code, "serves": serves, "removed": remove}
        else:
            data = vars(network_links.link(connection, kind, change_set, within_m=within, dataset=dataset))
        if dry_run:
            connection.rollback()
    emit({**data, "dry_run": dry_run}, as_json=as_json, text=counts("Service links 用户接入", data))


def _number_of(option: str, told: str, expected: str) -> float:
    """Return the number of CODE=NUMBER."""
    try:
        return float(told.partition("=")[2])
    except ValueError:
        raise InvalidParameterError(option, told, expected) from None


@app.command()
def simulate(
    ctx: typer.Context,
    kind: str = typer.Option("water", "--kind", help="Kind of the network; the engine is that of its model."),
    dataset: str | None = typer.Option(None, "--dataset", help="Dataset of the model; default: the newest one."),
    closed: list[str] = typer.Option([], "--close", help="Code of a line that is shut, or of a pump that fails; may be repeated."),
    burst: list[str] = typer.Option([], "--burst", help="CODE=LITRES: water lost at a point [l/s]; may be repeated (EPANET)."),
    least_m: float = typer.Option(10.0, "--least-pressure", help="Pressure below which a point counts as short of water [m] (EPANET)."),
    rain: Path | None = typer.Option(None, "--rain", help="CSV minute,mm_per_h with even steps: rain on a SWMM model."),
    storm: str | None = typer.Option(None, "--storm", help="A,C,b,n of the city's formula A(1+C lgP)/(t+b)^n [mm/min]: a design storm."),
    years: float = typer.Option(10.0, "--return-period", min=0.01, help="P of the design storm [years]."),
    minutes: float = typer.Option(120.0, "--duration", min=5, help="Duration of the design storm [min]."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Solve a model that was ingested, with lines shut, pumps failing, water lost, or a rain.

    EPANET solves water, SWMM drains (and tells what floods), pandapipes gas and heat.

    Example: cim network simulate --kind rainwater --storm 9.58,0.846,7.0,0.656 --return-period 20 --out flooded.gpkg
    """
    from cim.db import network_simulation as engines
    from cim.db import networks
    from cim.db.network_pressure import simulate_pressure
    from cim.hydraulics.rain import design_storm, read_rain

    expected = "CODE=LITRES, for example WA420111-N2026000007=20"
    losses = {one.partition("=")[0]: _number_of("--burst", one, expected) for one in burst}
    if rain is not None and storm is not None:
        raise InvalidParameterError("--rain", str(rain), "--rain or --storm, not both")
    falls, step = read_rain(rain) if rain else design_storm(storm, years, minutes) if storm else ([], 5.0)
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        form = networks.find_model(connection, check_kind(kind), dataset)[2]
        roles: list[tuple[str, str, Sequence[str]]] = []
        if form == "swmm":
            data = engines.simulate_drainage(connection, kind, dataset, rain_mm_h=falls, step_min=step, stopped=closed)
            roles.append(("flooded", "node", list(data["flooded"])))
        elif form == "pandapipes":
            data = engines.simulate_pipes(connection, kind, dataset, closed=closed)
            roles.append(("without_supply", "node", data["without_supply"]))
        else:
            data = simulate_pressure(connection, kind, dataset, closed=closed, bursts_l_s=losses, least_m=least_m)
            roles.append(("short_of_water", "node", data["short_of_water"]))
        save_parts(connection, kind, roles, out)
    emit(data, as_json=as_json, text=counts("Simulation 水力模拟", data))


@app.command()
def export(
    ctx: typer.Context,
    out: Path = typer.Argument(..., help="File to write; a folder for cjj61."),
    kind: str = Kind,
    form: str = typer.Option("gpkg", "--format", help="gpkg, cjj61, epanet or swmm."),
    dataset: str | None = typer.Option(None, "--dataset", help="One dataset; default: all, for models the newest."),
    demand: float | None = typer.Option(None, "--demand", min=0, help="Litres per customer and day, for a new EPANET model of a survey."),
    head: list[str] = typer.Option([], "--head", help="CODE=METRES: head of a source, for the same; may be repeated."),
    roughness: float | None = typer.Option(
        None, "--roughness", min=1, max=200, help="Hazen-Williams C of unknown materials, for the same."
    ),
    as_json: bool = AsJson,
) -> None:
    """Write a network as GeoPackage, as CJJ 61 tables, or as a model for EPANET or SWMM with the present state of its parts.

    A surveyed water network becomes a new EPANET model under the assumptions told; what is missing is named, and nothing is written.

    Example: cim network export model.inp --kind water --format epanet
    """
    from cim.db.network_export import export_network
    from cim.exchange.epanet_new import Assumptions

    heads = {code: _number_of("--head", one, "CODE=METRES, for example WA420111-N2026000001=75") for one in head
             for code in [one.partition("=")[0]]}  # fmt: skip
    assumptions = None if demand is None else Assumptions(demand, heads, roughness)
    settings = settings_from(ctx)
    migrate.require_current(settings)
    if not out.parent.is_dir():
        raise InvalidParameterError("OUT", str(out), "a place in a folder that is there")
    with engine.connect(settings) as connection:
        data = export_network(connection, check_kind(kind), dataset, form, out, assumptions=assumptions)
    emit(data, as_json=as_json, text=counts("Export 导出", data))


@app.command()
def summary(
    ctx: typer.Context,
    kind: str | None = typer.Option(None, "--kind", help="One kind; default: all."),
    as_json: bool = AsJson,
) -> None:
    """Summarise networks by material, diameter and age, with loops, bridges and how well valves divide them.

    Example: cim network summary --kind water --json
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        kinds = [check_kind(kind)] if kind else [row[0] for row in connection.execute("SELECT DISTINCT kind FROM network_node ORDER BY 1")]
        networks = [network_queries.describe(load_view(connection, one)) for one in kinds]
        groups = network_reads.fetch_summary(connection, kind)
    data = {"networks": networks, "groups": groups}

    def draw(console: Console) -> None:
        columns = ("kind", "points", "lines", "length_km", "components", "loops", "bridges", "sources", "sinks", "customers")
        console.print(table("Networks 管网", columns, [[one[name] for name in columns] for one in networks]))
        names = ("kind", "material", "diameter_mm", "laid", "lines", "length_km")
        console.print(table("Lines 管段", names, [[row[name] for name in names] for row in groups]))

    emit(data, as_json=as_json, text=draw)
