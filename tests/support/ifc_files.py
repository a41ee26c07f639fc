"""Small IFC files made by hand: a house of one wall, and files that break parsers and kernels."""

import re
import zipfile
from collections.abc import Callable
from pathlib import Path

METRES = "#5=IFCSIUNIT(*,.LENGTHUNIT.,$,.METRE.);"


def model_text(body: str = "", *, schema: str = "IFC4", unit: str = METRES) -> str:
    """Return a one-wall model, 4 m x 2 m x 3 m, at EPSG:4547 537000/3376000."""
    return f"""ISO-10303-21;
HEADER;
FILE_DESCRIPTION((''),'2;1');
FILE_NAME('','',(''),(''),'','','');
FILE_SCHEMA(('{schema}'));
ENDSEC;
DATA;
#1=IFCCARTESIANPOINT((0.,0.,0.));
#2=IFCAXIS2PLACEMENT3D(#1,$,$);
#3=IFCGEOMETRICREPRESENTATIONCONTEXT($,'Model',3,1.E-5,#2,$);
#4=IFCUNITASSIGNMENT((#5));
{unit}
#6=IFCPROJECT('0000000000000000000001',$,'P',$,$,$,$,(#3),#4);
#7=IFCPROJECTEDCRS('EPSG:4547',$,$,$,$,$,$);
#8=IFCMAPCONVERSION(#3,#7,537000.,3376000.,20.,1.,0.,1.);
#10=IFCLOCALPLACEMENT($,#2);
#11=IFCCARTESIANPOINT((0.,0.));
#12=IFCAXIS2PLACEMENT2D(#11,$);
#13=IFCRECTANGLEPROFILEDEF(.AREA.,$,#12,4.,2.);
#14=IFCDIRECTION((0.,0.,1.));
#15=IFCEXTRUDEDAREASOLID(#13,#2,#14,3.);
#16=IFCSHAPEREPRESENTATION(#3,'Body','SweptSolid',(#15));
#17=IFCPRODUCTDEFINITIONSHAPE($,$,(#16));
#18=IFCWALL('0000000000000000000002',$,'\\X2\\5899\\X0\\',$,$,#10,#17,$,$);
{body}
ENDSEC;
END-ISO-10303-21;
"""


def write_model(folder: Path, body: str = "", *, name: str = "model.ifc", schema: str = "IFC4", unit: str = METRES) -> Path:
    """Write a one-wall model."""
    path = folder / name
    path.write_text(model_text(body, schema=schema, unit=unit), encoding="ascii")
    return path


def unplaced_text(body: str = "") -> str:
    """Return the one-wall model without a map conversion."""
    return re.sub(r"#[78]=.*\n", "", model_text(body))


def proxy(number: int, items: str, *, kind: str = "CSG", placement: int = 10) -> str:
    """Return a proxy element with a shape made of some items; uses the numbers up to ``number`` + 2."""
    return (
        f"#{number}=IFCSHAPEREPRESENTATION(#3,'Body','{kind}',({items}));\n"
        f"#{number + 1}=IFCPRODUCTDEFINITIONSHAPE($,$,(#{number}));\n"
        f"#{number + 2}=IFCBUILDINGELEMENTPROXY('0{number:021d}',$,'bomb',$,$,#{placement},#{number + 1},$,$);"
    )


def zipped(path: Path, members: dict[str, bytes | str]) -> Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def _changed(pattern: str, new: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.ifc"
        text, n = re.subn(pattern, new, model_text(), flags=re.DOTALL)
        assert n, pattern
        path.write_text(text, encoding="ascii")
        return path

    return write


def _with(body: str) -> Callable[[Path], Path]:
    return lambda folder: write_model(folder, body)


def _raw(content: bytes, name: str = "model.ifc") -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content)
        return path

    return write


def _archive(members: Callable[[], dict[str, bytes | str]], name: str = "model.ifczip") -> Callable[[Path], Path]:
    return lambda folder: zipped(folder / name, members())


def _lying_archive(folder: Path) -> Path:
    """Write an archive whose directory says that the model is small."""
    path = zipped(folder / "model.ifczip", {"model.ifc": b" " * 100_000})
    raw = bytearray(path.read_bytes())
    # Central directory header (APPNOTE 4.3.12): uncompressed size at offset 24.
    at = raw.find(b"PK\x01\x02")
    raw[at + 24 : at + 28] = (100).to_bytes(4, "little")
    path.write_bytes(raw)
    return path


def _encrypted_archive(folder: Path) -> Path:
    path = zipped(folder / "model.ifczip", {"model.ifc": model_text()})
    raw = bytearray(path.read_bytes())
    # General purpose bit flag 0 (APPNOTE 4.4.4) says encrypted, in the local header at 6 and in the directory at 8.
    raw[6] |= 1
    raw[raw.find(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    return path


def _wide(count: int) -> str:
    return "\n".join(f"#{n}=IFCCARTESIANPOINT(({n}.,0.,0.));" for n in range(1000, 1000 + count))


_DEEP = "\n".join(
    f"#{n}=IFCBOOLEANRESULT(.UNION.,#{n - 1 if n > 1000 else 15},#15);" for n in range(1000, 6000)
)  # fmt: skip
_RING = "#20=IFCLOCALPLACEMENT(#21,#2);\n#21=IFCLOCALPLACEMENT(#20,#2);\n"
_ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE ifcXML [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;"><!ENTITY x SYSTEM "file:///etc/passwd">]><ifcXML>&c;&x;</ifcXML>"""
_AGGREGATES = "#20=IFCRELAGGREGATES('0000000000000000000020',$,$,$,#{a},(#{b}));"

REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (_raw(b""), "0 bytes"),
    "html": (_raw(b"<html></html>"), "expected ISO-10303-21"),
    "binary": (_raw(bytes(range(256)) * 40), "expected ISO-10303-21"),
    "lfs_pointer": (_raw(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"), "Git LFS pointer"),
    "zip_named_ifc": (lambda folder: zipped(folder / "model.ifc", {"a.ifc": model_text()}), "is a zip archive"),
    "unknown_suffix": (_raw(b"ISO-10303-21;", "model.rvt"), "expected .ifc or .ifczip"),
    "fake_header": (_raw(b"ISO-10303-21;\nHEADER;\nENDSEC;\nDATA;\nENDSEC;\nEND-ISO-10303-21;\n"), "no FILE_SCHEMA"),
    "schema_rc4": (_changed("IFC4'", "IFC4X3_RC4'"), "schema IFC4X3_RC4 cannot be read"),
    "schema_old": (_changed("IFC4'", "IFC2X_FINAL'"), "schema IFC2X_FINAL cannot be read"),
    "schema_made_up": (_changed("IFC4'", "IFC99'"), "schema IFC99 cannot be read"),
    "truncated_end": (_changed("END-ISO-10303-21;", ""), "cut off"),
    "truncated_middle": (_raw(model_text()[:600].encode()), "cut off"),
    "open_string": (_changed(r"'Model'", "'Model"), "no end"),
    "open_comment": (_changed(r"#11=", "/* #11="), "no end"),
    "no_data": (_changed(r"DATA;.*?ENDSEC;\nEND", "ENDSEC;\nEND"), "no DATA section"),
    "empty_data": (_changed(r"DATA;.*?ENDSEC;", "DATA;\nENDSEC;"), "DATA section is empty"),
    "repeated_number": (_changed("#17=", "#16="), "#16 occurs twice"),
    "dangling": (_changed(r"\(#16\)", "(#99)"), "refers to #99"),
    "huge_number": (_changed(r"\(#16\)", "(#999999999999999)"), "refers to #999999999999999"),
    "not_the_schema": (_changed("IFCWALL", "IFCNOSUCHTHING"), "the parser kept"),
    "xml_entities": (_raw(_ENTITIES, "model.ifcxml"), "nothing of it was parsed"),
    "xml_named_ifc": (_raw(_ENTITIES), "nothing of it was parsed"),
    "xml_in_zip": (_archive(lambda: {"model.ifcXML": _ENTITIES}), "nothing of it was parsed"),
    "zip_bomb": (_archive(lambda: {"model.ifc": b"\0" * 50_000_000}), "archive bomb"),
    "zip_lies": (_lying_archive, "archive bomb|directory says|not a readable zip"),
    "zip_cut": (lambda f: _raw(_archive(lambda: {"model.ifc": model_text()})(f).read_bytes()[:300], "cut.ifczip")(f), "not a readable zip"),
    "zip_no_zip": (_raw(b"PK\x03\x04" + b"x" * 400, "model.ifczip"), "not a readable zip"),
    "zip_encrypted": (_encrypted_archive, "without a password|encrypted"),
    "zip_several": (_archive(lambda: {"a.ifc": model_text(), "b.ifc": model_text()}), "found 2 .ifc files"),
    "zip_none": (_archive(lambda: {"readme.txt": "x"}), "found 0 .ifc files"),
    "zip_crowd": (_archive(lambda: {f"{n}.txt": "" for n in range(1500)} | {"a.ifc": model_text()}), "1501 files"),
    "zip_in_zip": (
        lambda f: zipped(f / "model.ifczip", {"a.ifc": zipped(f / "inner.zip", {"b.ifc": model_text()}).read_bytes()}), "is a zip archive",
    ),
}  # fmt: skip
"""Files that are refused: how they are made, and the words of the refusal (a regular expression)."""

USELESS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "no_products": (_changed(r"#18=.*?\n", ""), "products.none"),
    "no_unit": (
        _changed(r"#5=IFCSIUNIT\(\*,.LENGTHUNIT.,\$,.METRE.\)", "#5=IFCSIUNIT(*,.AREAUNIT.,$,.SQUARE_METRE.)"),
        "unit.length_missing",
    ),
}
"""Files that are read and of no use: how they are made, and the rule that says so."""

HELD: dict[str, Callable[[Path], Path]] = {
    "self_boolean": _with("#20=IFCBOOLEANRESULT(.UNION.,#20,#20);\n" + proxy(21, "#20")),
    "self_placement": _with("#20=IFCLOCALPLACEMENT(#20,#2);\n" + proxy(21, "#15", kind="SweptSolid", placement=20)),
    "ring_of_placements": _with(_RING + proxy(22, "#15", kind="SweptSolid", placement=20)),
    "deep_booleans": _with(_DEEP + "\n" + proxy(7000, "#5999")),
    "nan_direction": _with("#20=IFCDIRECTION((0.,0.,0.));\n#21=IFCEXTRUDEDAREASOLID(#13,#2,#20,3.);\n" + proxy(22, "#21")),
    "huge_coordinates": _with(
        "#20=IFCCARTESIANPOINT((1.E300,1.E300,1.E300));\n#21=IFCAXIS2PLACEMENT3D(#20,$,$);\n#22=IFCEXTRUDEDAREASOLID(#13,#21,#14,3.);\n"
        + proxy(23, "#22")
    ),
    "mapped_item_of_itself": _with(
        "#20=IFCREPRESENTATIONMAP(#2,#22);\n#21=IFCMAPPEDITEM(#20,#23);\n#22=IFCSHAPEREPRESENTATION(#3,'Body','MappedRepresentation',(#21));\n"
        "#23=IFCCARTESIANTRANSFORMATIONOPERATOR3D($,$,#1,$,$);\n" + proxy(24, "#21", kind="MappedRepresentation")
    ),
    "faces_without_points": _with("#20=IFCPOLYLOOP((#1,#1,#1));\n#21=IFCFACEOUTERBOUND(#20,.T.);\n#22=IFCFACE((#21));\n"
                                  "#23=IFCCLOSEDSHELL((#22));\n#24=IFCFACETEDBREP(#23);\n" + proxy(25, "#24", kind="Brep")),
    "many_points": _with(_wide(50_000)),
    "self_aggregate": _with(_AGGREGATES.format(a=18, b=18)),
    "storey_of_itself": _with(
        "#19=IFCBUILDINGSTOREY('0000000000000000000019',$,'S',$,$,$,$,$,.ELEMENT.,0.);\n" + _AGGREGATES.format(a=19, b=19)
    ),
    "script_in_name": _changed(r"'\\X2\\5899\\X0\\'", "'<script>alert(1)</script>''); DROP TABLE bim_model;--'"),
    "long_string": _raw(model_text().replace("'P'", "'" + "x" * 20_000_000 + "'").encode()),
    "bad_escape": _changed(r"'\\X2\\5899\\X0\\'", "'\\\\\\\\X2\\\\\\\\D800'"),
    "path_in_zip": lambda folder: zipped(folder / "model.ifczip", {"../../escaped.ifc": model_text()}),
    "reference_in_string": _changed("'P'", "'see #4711 and /* here'"),
    "comments": _changed("DATA;", "DATA;\n/* #1=IFCWALL(); it's */"),
    "repeated_global_ids": _with("#19=IFCWALL('0000000000000000000002',$,'twin',$,$,#10,#17,$,$);"),
    "no_global_id": _with("#19=IFCWALL($,$,'nobody',$,$,#10,#17,$,$);"),
    "texture_path": _with("#20=IFCIMAGETEXTURE(.T.,.T.,$,$,$,'file:///etc/passwd');\n#21=IFCDOCUMENTREFERENCE('http://127.0.0.1:1/x','a','b',$,$);"),
    "own_property_set": _with(
        "#20=IFCCOMPLEXPROPERTY('a',$,'b',(#20));\n#21=IFCPROPERTYSET('0000000000000000000021',$,'Loop',$,(#20));\n"
        "#22=IFCRELDEFINESBYPROPERTIES('0000000000000000000022',$,$,$,(#18),#21);"
    ),
}  # fmt: skip
"""Files that are loaded, however hostile: the wall is found, whatever becomes of the rest."""
