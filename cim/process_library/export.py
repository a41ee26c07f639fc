"""``export``: a collection as a file, for any division and any day, as a job."""

from typing import Any

from cim.access import Permission
from cim.clock import utc_now
from cim.commands.export import parse_moment, run_export, statuses_of
from cim.db import export_reads
from cim.errors import ForbiddenError, InvalidParameterError
from cim.processes import ASYNC, Context, File, Input, Output, Process
from cim.profile import Names

_SUFFIXES = {
    "gpkg": "application/geopackage+sqlite3",
    "parquet": "application/vnd.apache.parquet",
    "fgb": "application/flatgeobuf",
    "csv": "text/csv; charset=utf-8",
    "city.json": "application/city+json",
}


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    collection = export_reads.export_collections()[inputs["collection"]]
    if not context.principal.sees(collection.id):
        raise ForbiddenError(f"export of {collection.id}: not granted to {context.principal.subject}")
    if context.folder is None:
        raise InvalidParameterError("Prefer", "", "respond-async: exports are jobs")
    moment = parse_moment(inputs["date"], utc_now()) if "date" in inputs else None
    statuses = statuses_of(collection, inputs.get("status", []))
    query = export_reads.ExportQuery(collection, division=inputs.get("division"), moment=moment, statuses=statuses)
    suffix = inputs["format"]
    name = f"{collection.id}.{suffix}"
    context.report(5, f"writing {name}")
    report = run_export(
        context.settings, query, context.folder / name, crs=inputs.get("crs"), scope=context.principal.scope, on_rows=_reporter(context)
    )
    facts = {key: report[key] for key in ("collection", "format", "rows", "bytes", "crs", "moment", "division", "note")}
    return {"file": File(name, _SUFFIXES[suffix]), "report": facts}


def _reporter(context: Context) -> Any:  # noqa: ANN401 - a function of two numbers
    def report(done: int, total: int) -> None:
        context.report(5 + 90 * done // max(total, 1), f"{done} of {total} rows")

    return report


EXPORT = Process(
    id="export",
    version="1.0.0",
    title=Names(en="Export a collection", zh="导出数据"),
    description=Names(
        en="Writes a collection to GeoPackage, GeoParquet, FlatGeobuf, CSV or CityJSON: any division, the state of any day.",
        zh="将数据集合导出为 GeoPackage、GeoParquet、FlatGeobuf、CSV 或 CityJSON,可限定区划与历史日期。",
    ),
    keywords=("export", "导出"),
    inputs={
        "collection": Input(Names(en="Collection", zh="数据集合"), {"enum": sorted(export_reads.export_collections())}),
        "format": Input(Names(en="Format", zh="格式"), {"enum": list(_SUFFIXES), "default": "gpkg"}, required=False),
        "division": Input(
            Names(en="Division, 2 to 12 digits", zh="区划代码"), {"type": "string", "pattern": "^[0-9]{2,12}$"}, required=False
        ),
        "date": Input(Names(en="State at the end of this day (UTC) or at an instant", zh="时点"), {"type": "string"}, required=False),
        "status": Input(Names(en="Only rows of these states", zh="状态"), {"type": "array", "items": {"type": "string"}}, required=False),
        "crs": Input(Names(en="Output CRS, e.g. EPSG:4547", zh="坐标系"), {"type": "string", "maxLength": 60}, required=False),
    },
    outputs={
        "file": Output(Names(en="The file", zh="文件"), {"type": "string", "contentMediaType": "application/octet-stream"}),
        "report": Output(Names(en="Rows, CRS, moment", zh="导出报告"), {"type": "object"}),
    },
    run=_run,
    permission=Permission.EXPORT,
    modes=(ASYNC,),
    example={"inputs": {"collection": "buildings", "format": "gpkg", "division": "420111"}},
)
