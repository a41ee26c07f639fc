"""``echo``: returns its inputs. The test suite of OGC API - Processes needs it, and so does whoever writes a client."""

from typing import Any

from cim.processes import Context, Input, Output, Process
from cim.profile import Names


def _run(_: Context, inputs: dict[str, Any]) -> dict[str, Any]:
    return dict(inputs)


def _named(en: str, zh: str) -> Names:
    return Names(en=en, zh=zh)


_NUMBER = {"type": "number"}

ECHO = Process(
    id="echo",
    version="1.0.0",
    title=_named("Echo", "回显"),
    description=_named("Returns its inputs unchanged; for trying out clients.", "原样返回输入,用于调试客户端。"),
    keywords=("test",),
    inputs={
        "message": Input(_named("Text", "文本"), {"type": "string", "maxLength": 10_000, "default": ""}, required=False),
        "number": Input(_named("Number", "数字"), _NUMBER, required=False),
        "list": Input(_named("List of numbers", "数字列表"), {"type": "array", "items": _NUMBER, "maxItems": 1000}, required=False),
        "object": Input(_named("Any object", "任意对象"), {"type": "object"}, required=False),
    },
    outputs={
        "message": Output(_named("Text", "文本"), {"type": "string"}),
        "number": Output(_named("Number", "数字"), _NUMBER),
        "list": Output(_named("List of numbers", "数字列表"), {"type": "array", "items": _NUMBER}),
        "object": Output(_named("Object", "对象"), {"type": "object"}),
    },
    run=_run,
    example={"inputs": {"message": "Hello", "number": 1.5}},
)
