"""``code-check``: codes against their schemes, with likely originals of wrong ones and whether the register knows them."""

from typing import Any

from cim.codes import registry
from cim.codes.repair import slips
from cim.db.codes import which_are_known
from cim.errors import CodeError
from cim.processes import Context, Input, Output, Process
from cim.profile import Names

_MOST = 10_000
_LIKELY = 5


def check(code: str, scheme: str | None) -> dict[str, Any]:
    """Return scheme, validity, fault and likely originals of one code."""
    try:
        chosen = registry.scheme(scheme) if scheme else registry.recognise(code)
    except CodeError as error:
        return {"code": code, "scheme": scheme, "valid": False, "fault": error.message, "likely": []}
    try:
        chosen.verify(code)
    except CodeError as error:
        likely = [slip.code for slip in slips(code, chosen)]
        return {"code": code, "scheme": chosen.id, "valid": False, "fault": error.message, "likely": likely}
    return {"code": code, "scheme": chosen.id, "valid": True, "fault": "", "likely": []}


def _run(context: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    rows = [check(code, inputs.get("scheme")) for code in inputs["codes"]]
    asked = sorted({code for row in rows for code in (row["code"], *row["likely"])})
    with context.connection() as connection:
        known = which_are_known(connection, asked)
    for row in rows:
        row["known_in"] = known.get(row["code"])
        # A registered code is far likelier than one whose division alone exists.
        row["likely"].sort(key=lambda code: (code not in known, known.get(code, "").startswith("division")))
        del row["likely"][_LIKELY:]
    return {"codes": rows, "wrong": sum(not row["valid"] for row in rows)}


CHECK = Process(
    id="code-check",
    version="1.0.0",
    title=Names(en="Check codes", zh="编码校验"),
    description=Names(
        en="Layout and check digit of codes, likely originals of wrong ones (those in the register first), and where each is known.",
        zh="校验编码的结构与校验位;对错误编码给出可能的原码(登记库中存在者优先),并指出编码所在的集合。",
    ),
    keywords=("codes", "赋码"),
    inputs={
        "codes": Input(
            Names(en="Codes", zh="编码"),
            {"type": "array", "minItems": 1, "maxItems": _MOST, "items": {"type": "string", "maxLength": 100, "pattern": "^[^\\u0000]*$"}},
        ),
        "scheme": Input(
            Names(en="Scheme; left out = known by the length", zh="编码方案,缺省按长度识别"), {"type": "string"}, required=False
        ),
    },
    outputs={
        "codes": Output(Names(en="Findings", zh="结果"), {"type": "array", "items": {"type": "object"}}),
        "wrong": Output(Names(en="Number of wrong codes", zh="错误数"), {"type": "integer"}),
    },
    run=_run,
    example={"inputs": {"codes": ["330109001001202100000100015"]}},
)
