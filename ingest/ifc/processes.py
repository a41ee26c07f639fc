"""``bim-upload``: the job behind an upload over the network; the same stages and the same report as ``cim bim upload`` on a local file."""

from collections.abc import Iterable
from typing import Any

from cim.access import Permission
from cim.errors import CimError, NotFoundError
from cim.processes import ASYNC, Context, Input, Output, Process
from cim.profile import Names
from cim.uploads import PROCESS, Uploads


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    # The server loads this module to describe the process; IFC and geometry are for the worker.
    from ingest.ifc.load import UploadOptions, upload_model

    uploads = Uploads(context.settings)
    upload = uploads.find(inputs["upload"], context.principal.subject)
    path = uploads.path(upload)
    if not path.exists() or path.stat().st_size < upload.size:
        raise NotFoundError(f"upload {upload.id}: not all of {upload.name} is here", hint="go on with the upload")
    options = UploadOptions(
        name=inputs.get("name") or path.stem,
        stage=inputs.get("stage"),
        note=inputs.get("note"),
        building_code=inputs.get("building_code"),
        crs=inputs.get("crs"),
        origin=tuple(inputs["origin"]) if "origin" in inputs else None,
        rotation_deg=inputs.get("rotation_deg"),
        fit_to=inputs.get("fit_to"),
        version_of=inputs.get("version_of"),
        project_code=inputs.get("project_code"),
    )

    def tell(done: int, of: int) -> None:
        context.report(5 + 90 * done // max(of, 1), f"meshing 网格化 {done}/{of}")

    context.report(1, "checking 检查")
    try:
        report = upload_model(context.settings, path, options, dry_run=inputs["dry_run"], progress=tell, scope=context.principal.scope)
    except CimError as error:
        # The folder of the server is nobody's business; the engineer knows the file by its name.
        error.message = error.message.replace(str(path), upload.name)
        raise
    return {"report": report}


def offered() -> Iterable[Process]:
    """Return the processes of this package."""
    text = {"type": "string", "maxLength": 500}

    def said(en: str, zh: str, schema: dict[str, Any]) -> Input:
        return Input(Names(en=en, zh=zh), schema, required=False)

    stages = ["planning", "design", "construction_drawing", "construction", "completion", "operation"]
    inputs = {
        "upload": Input(
            Names(en="Id of a complete upload", zh="已完成上传的编号"), {"type": "string", "pattern": "^[0-9a-f-]{36}$"}, required=True
        ),
        "name": said("Name for people", "名称", text),
        "stage": said("Project stage", "项目阶段", {"type": "string", "enum": stages}),
        "note": said("Shown with the model", "备注", {"type": "string", "maxLength": 2000}),
        "building_code": said("Building it belongs to", "所属建筑编码", text),
        "crs": said("Projected CRS", "投影坐标系", text),
        "origin": said(
            "Easting, northing, height of the model's origin [m]",
            "模型原点的东坐标、北坐标、高程 [m]",
            {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3},
        ),
        "rotation_deg": said(
            "Angle from east to the model's x axis, counter-clockwise [deg]",
            "自东向逆时针至模型 x 轴的角度 [deg]",
            {"type": "number", "minimum": -360, "maximum": 360},
        ),
        "fit_to": said("Lay the model onto the footprint of this building", "将模型对准该建筑的基底轮廓", text),
        "version_of": said("Model it is a new version of", "所更新的模型", text),
        "project_code": said("Code of the construction project", "建设项目编码", text),
        "dry_run": said("Do everything but writing", "试运行,不写入", {"type": "boolean", "default": False}),
    }
    return [
        Process(
            id=PROCESS,
            version="1.0.0",
            title=Names(en="Load an uploaded BIM model", zh="入库已上传的 BIM 模型"),
            description=Names(
                en="Checks, places, binds and loads a model that was uploaded to /bim/uploads; begun by the server when it is complete.",
                zh="对已上传至 /bim/uploads 的模型进行检查、定位、关联与入库;文件接收完整后由服务器自动启动。",
            ),
            keywords=("BIM", "IFC", "模型"),
            inputs=inputs,
            outputs={"report": Output(Names(en="Report", zh="报告"), {"type": "object"})},
            run=_run,
            permission=Permission.MODELS,
            modes=(ASYNC,),
            collections=("bim-models",),
            example={"inputs": {"upload": "00000000-0000-7000-8000-000000000000"}},
        )
    ]
