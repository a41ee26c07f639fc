"""``tiles-build``: 3D Tiles of layers, as a job."""

from collections.abc import Iterable
from typing import Any

from cim.access import Permission
from cim.processes import ASYNC, Context, Input, Output, Process
from cim.profile import Names
from tiles.build import build_layers


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    names: list[str] = inputs["layers"]
    done: list[str] = []

    def progress(layer: str) -> None:
        context.report(100 * len(done) // (len(names) + len(done) + 1), layer)
        done.append(layer)

    results = build_layers(context.settings, names, force=inputs["force"], progress=progress)
    return {
        "layers": [
            {"layer": one.layer, "features": one.features, "tiles": one.tiles, "written": one.written, "removed": one.removed}
            for one in results
        ]
    }


def offered() -> Iterable[Process]:
    """Return the processes of this package."""
    layers = {"type": "array", "items": {"type": "string", "maxLength": 200}, "maxItems": 1000, "default": []}
    return [
        Process(
            id="tiles-build",
            version="1.0.0",
            title=Names(en="Build 3D Tiles", zh="生成三维瓦片"),
            description=Names(
                en="Builds the 3D Tiles of layers; tiles whose features did not change are kept.",
                zh="生成图层的三维瓦片;要素未变的瓦片保留不动。",
            ),
            keywords=("3D Tiles", "三维瓦片"),
            inputs={
                "layers": Input(Names(en="Layers; none = all", zh="图层,缺省为全部"), layers, required=False),
                "force": Input(Names(en="Make every tile anew", zh="全部重建"), {"type": "boolean", "default": False}, required=False),
            },
            outputs={"layers": Output(Names(en="What was built", zh="结果"), {"type": "array", "items": {"type": "object"}})},
            run=_run,
            permission=Permission.BUILD,
            modes=(ASYNC,),
            needs_all_rows=True,
            example={"inputs": {"layers": ["buildings"]}},
        )
    ]
