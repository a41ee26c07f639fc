"""``cim network zones|drains|pollution|critical|service-area|valves``: questions to a network as a whole."""

from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from cim.cli_support import emit, settings_from, table
from cim.commands.network_support import AsJson, Kind, Out, check_kind, counts, save_parts
from cim.db import engine, migrate, network_analyses, network_queries
from cim.db.network_graph import load_view
from cim.errors import InvalidParameterError


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(zones)
    app.command()(drains)
    app.command()(pollution)
    app.command()(critical)
    app.command("service-area")(service_area)
    app.command()(valves)


def zones(
    ctx: typer.Context,
    kind: str = Kind,
    by: str = typer.Option("pressure", "--by", help="pressure, dma or catchment (drains)."),
    boundary: list[str] = typer.Option([], "--boundary", help="Code that bounds zones besides; may be repeated."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Divide a network into pressure zones, metered districts (DMA) or the catchments of outfalls.

    Example: cim network zones --kind sewage --by catchment --out catchments.gpkg
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        view = load_view(connection, check_kind(kind))
        data = network_analyses.divide(connection, view, by, boundaries=boundary)  # type: ignore[arg-type]  # checked there
        roles = [
            (f"zone {one['zone']}", part, one[name]) for one in data["parts"] for part, name in (("edge", "lines"), ("node", "points"))
        ]
        roles += [("boundary", one["part"], [one["code"]]) for one in data.get("boundaries", [])]
        save_parts(connection, kind, roles, out)

    def draw(console: Console) -> None:
        names = [name for name in data["zones"][0] if name != "boundaries"] if data["zones"] else ["zone"]
        console.print(table(f"Zones 分区 ({by})", names, [[row[name] for name in names] for row in data["zones"][:50]]))
        if len(data["zones"]) > 50:
            console.print(f"{len(data['zones']) - 50} smaller ones: --json")

    emit(data, as_json=as_json, text=draw)


def drains(
    ctx: typer.Context,
    code: str = typer.Argument(..., help="Manhole or line."),
    kind: str = Kind,
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find what a manhole or a line drains: everything upstream, the connections, the buildings and addresses.

    Example: cim network drains SE420111-N2026000001 --kind sewage --out drained.gpkg
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        data = network_analyses.drained_by(connection, load_view(connection, check_kind(kind)), code)
        roles = [("drained", "edge", data["lines"]), ("drained", "node", data["points"])]
        save_parts(connection, kind, roles, out)
    emit(data, as_json=as_json, text=counts("Drained 汇水范围", data))


def pollution(
    ctx: typer.Context,
    found: list[str] = typer.Option(..., "--found", help="Point where the sample was bad; may be repeated."),
    clean: list[str] = typer.Option([], "--clean", help="Point where the sample was good; may be repeated."),
    kind: str = Kind,
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find where pollution may have entered: upstream of every bad sample and of no good one, the likeliest first.

    Example: cim network pollution --kind sewage --found SE420111-N2026000040 --clean SE420111-N2026000012
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        data = network_analyses.pollution_sources(connection, load_view(connection, check_kind(kind)), found, clean)
        roles = [(f"explains {n} of {data['samples']}", "node", [row["code"] for row in data["candidates"] if row["explains"] == n])
                 for n in range(data["samples"], 0, -1)]  # fmt: skip
        save_parts(connection, kind, [*roles, ("found", "node", found), ("clean", "node", clean)], out)

    def draw(console: Console) -> None:
        names = ("code", "explains", "way_m", "is_connection", "serves")
        rows = [[", ".join(row[name]) if name == "serves" else row[name] for name in names] for row in data["candidates"][:40]]
        console.print(table("Where it may have entered 污染源排查", names, rows))

    emit(data, as_json=as_json, text=draw)


def critical(
    ctx: typer.Context,
    kind: str = Kind,
    limit: int = typer.Option(100, "--limit", min=1, help="Most lines and most points listed, the gravest first."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find the lines and points whose loss cuts most connections off from every source (outfall).

    Example: cim network critical --kind water --limit 20 --out critical.gpkg
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        data = network_analyses.critical_parts(load_view(connection, check_kind(kind)), limit=limit)
        roles = [(f"cuts off {row['connections_cut_off']} connections, {row['points_cut_off']} points", part, [row["code"]])
                 for part, name in (("edge", "lines"), ("node", "points")) for row in data[name]]  # fmt: skip
        save_parts(connection, kind, roles, out)

    def draw(console: Console) -> None:
        names = ("code", "connections_cut_off", "points_cut_off")
        for title, key in (("Critical lines 关键管段", "lines"), ("Critical points 关键节点", "points")):
            console.print(table(title, names, [[row[name] for name in names] for row in data[key][:40]]))

    emit(data, as_json=as_json, text=draw)


def service_area(
    ctx: typer.Context,
    within: float = typer.Option(..., "--within", min=0, help="Longest way along the network [m]."),
    code: list[str] = typer.Option([], "--from", help="Point or line to start from; may be repeated."),
    appendage: str | None = typer.Option(None, "--appendage", help="Start from every point of this kind, e.g. HYDRANT."),
    kind: str = Kind,
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Find what lies within a distance of some points along the network, and what does not.

    Example: cim network service-area --kind water --appendage HYDRANT --within 150 --out covered.gpkg
    """
    if bool(code) == bool(appendage):
        raise InvalidParameterError("--from", ", ".join(code) or "nothing", "--from CODE or --appendage WORD, one of the two")
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        view = load_view(connection, check_kind(kind))
        starts = code or view.codes("node", view.nodes_that_are(frozenset({str(appendage)})))
        if not starts:
            raise InvalidParameterError("--appendage", str(appendage), f"an appendage or feature of a point of the {kind} network")
        data: dict[str, Any] = network_queries.area_within(view, starts, within)
        inside = set(data["points"])
        data["outside_points"] = [one for one in view.node_code.to_pylist() if one not in inside]
        roles = [("within", "edge", data["lines"]), ("within", "node", data["points"]), ("outside", "node", data["outside_points"])]
        save_parts(connection, kind, roles, out)
    emit(data, as_json=as_json, text=counts("Service area 服务范围", data))


def valves(
    ctx: typer.Context,
    kind: str = Kind,
    limit: int = typer.Option(100, "--limit", min=1, help="Most segments and junctions listed, the worst first."),
    out: Path | None = Out,
    as_json: bool = AsJson,
) -> None:
    """Show how well valves divide a network: the largest segments, and junctions where valves are missing.

    Example: cim network valves --kind water --out valves.gpkg
    """
    settings = settings_from(ctx)
    migrate.require_current(settings)
    with engine.connect(settings) as connection:
        data = network_analyses.valve_quality(load_view(connection, check_kind(kind)), limit=limit)
        roles = [(f"segment {row['segment']}", "edge", row["line_codes"]) for row in data["largest_segments"]]
        roles += [(f"{row['missing']} valves missing", "node", [row["code"]]) for row in data["junctions"]]
        save_parts(connection, kind, roles, out)

    def draw(console: Console) -> None:
        figures = ("valves", "segments", "largest_share", "segments_with_over_5_hydrants", "valves_missing", "junctions_lacking_valves")
        console.print(table("Valves 阀门分段", ["", ""], [(name, data[name]) for name in figures]))
        names = ("segment", "lines", "length_m", "valves", "hydrants", "connections")
        rows = [[row[name] for name in names] for row in data["largest_segments"][:20]]
        console.print(table("Largest segments 最大区段", names, rows))

    emit(data, as_json=as_json, text=draw)
