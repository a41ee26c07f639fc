"""Models that are bound to no building, for a person to decide."""

from typing import Any

from cim.db.engine import Connection

_MOST = 5


def list_open(connection: Connection) -> list[dict[str, Any]]:
    """Return the models that are bound to no building, with the buildings that their outline lies on, best first."""
    models = connection.execute("SELECT code, name, georef_note, geom FROM bim_model WHERE building_code IS NULL ORDER BY code").fetchall()
    found = []
    for code, name, note, outline in models:
        rows = [] if outline is None else connection.execute(
            """SELECT b.code, b.name,
                      round((ST_Area(ST_Intersection(b.geom, o)) / nullif(ST_Area(ST_Union(b.geom, o)), 0))::numeric, 3)::float8
               FROM building b, (SELECT %s::geometry AS o) q
               WHERE b.geom && o AND ST_Intersects(b.geom, o) AND b.status NOT IN ('demolished', 'retired')
               ORDER BY 3 DESC NULLS LAST, 1 LIMIT %s""",
            [outline, _MOST],
        ).fetchall()  # fmt: skip
        candidates = [{"code": row[0], "name": row[1], "iou": row[2]} for row in rows]
        found.append({"code": code, "name": name, "georeference": note, "candidates": candidates})
    return found
