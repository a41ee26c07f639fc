"""Contents read back by pygltflib and py3dtiles, byte rules of the extensions, and faults the checker must find."""

import json
import struct

import numpy as np
import pygltflib
import pytest
from py3dtiles.tileset.content import read_binary_tile_content

from cim.errors import TileError
from tiles.glb import Primitive, build_glb
from tiles.glb_read import Glb
from tiles.metadata import NO_FLOAT, NO_INTEGER, Number, PropertyTable, Text
from tiles.validate import check_content

POSITIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [5, 5, 5], [6.5, 5, 5], [5, 7, 5]], dtype=np.float32)
NORMALS = np.tile(np.float32([0, 0, 1]), (6, 1))
CODES = ["420111001001202600001", "420111001001202600002"]


def table(codes=CODES, names=("一号楼", None)):
    columns = (
        Text("code", codes, is_id=True),
        Text("name", names),
        Number("height_m", [21.5, None]),
        Number("year_built", [None, 1998], is_integer=True),
        Text("use", [None, None]),
    )
    return PropertyTable("building", columns, 2)


def content(*, compress=False, **changes):
    primitive = Primitive(POSITIONS, NORMALS, np.array([0, 0, 0, 1, 1, 1]), np.array([[0, 1, 2], [3, 4, 5]]), **changes)
    return build_glb([primitive], table(), compress=compress)


def edited(glb, change):
    """Return a glb whose JSON was changed, binary chunk as it was."""
    length = struct.unpack_from("<I", glb, 12)[0]
    document = json.loads(glb[20 : 20 + length])
    change(document)
    head = json.dumps(document).encode()
    head += b" " * ((4 - len(head)) % 8)
    body = glb[20 + length :]
    return struct.pack("<5I", 0x46546C67, 2, 20 + len(head) + len(body), len(head), 0x4E4F534A) + head + body


def test_pygltflib_reads_the_same_positions_bounds_and_triangles():
    gltf = pygltflib.GLTF2().load_from_bytes(content())
    primitive = gltf.meshes[0].primitives[0]
    blob = gltf.binary_blob()

    def read(index, dtype, width):
        accessor = gltf.accessors[index]
        view = gltf.bufferViews[accessor.bufferView]
        raw = blob[view.byteOffset : view.byteOffset + view.byteLength]
        return np.ndarray(
            (accessor.count, width), dtype, raw, strides=(view.byteStride or width * np.dtype(dtype).itemsize, np.dtype(dtype).itemsize)
        )

    # Integers of a cube around the middle (3.25, 3.5, 2.5) with half side 3.5 (glTF 2.0, KHR_mesh_quantization: value / 32767).
    stored = read(primitive.attributes.POSITION, "<i2", 3)
    assert (gltf.nodes[0].translation, gltf.nodes[0].scale) == ([3.25, 3.5, 2.5], [3.5, 3.5, 3.5])
    np.testing.assert_allclose(stored / 32_767 * 3.5 + (3.25, 3.5, 2.5), POSITIONS, atol=3.5 / 32_767 / 2 + 1e-6)
    assert gltf.accessors[primitive.attributes.POSITION].min == stored.min(axis=0).tolist()
    assert gltf.accessors[primitive.attributes.POSITION].max == stored.max(axis=0).tolist()
    assert read(primitive.indices, "<u2", 1).ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert read(primitive.attributes._FEATURE_ID_0, "<u2", 1).ravel().tolist() == [0, 0, 0, 1, 1, 1]
    assert gltf.extensionsUsed == ["EXT_mesh_features", "EXT_structural_metadata", "KHR_mesh_quantization"]
    assert gltf.extensionsRequired == ["KHR_mesh_quantization"]


def test_py3dtiles_reads_the_content(tmp_path):
    path = tmp_path / "a.glb"
    path.write_bytes(content())
    read = read_binary_tile_content(path)
    assert Glb(read.to_array().tobytes()).json["meshes"] == Glb(content()).json["meshes"]


@pytest.mark.parametrize("compress", [False, True])
def test_vertices_are_returned_with_z_up(compress):
    found = check_content(content(compress=compress))[1]
    np.testing.assert_allclose(found, [[x, -z, y] for x, y, z in POSITIONS.tolist()], atol=1e-4)


def test_packed_and_plain_contents_hold_the_same_numbers():
    plain, packed = Glb(content()), Glb(content(compress=True))
    assert "EXT_meshopt_compression" in packed.json["extensionsRequired"]
    # The fallback buffer has no bytes in the file (EXT_meshopt_compression, "Fallback buffers").
    assert packed.json["buffers"][1]["extensions"] == {"EXT_meshopt_compression": {"fallback": True}}
    for number in range(len(plain.json["accessors"])):
        assert packed.accessor(number).tolist() == plain.accessor(number).tolist()


def test_a_mesh_too_large_for_2_cm_keeps_floats():
    far = POSITIONS * np.float32(400)
    glb = build_glb([Primitive(far, NORMALS, np.array([0, 0, 0, 1, 1, 1]), np.array([[0, 1, 2]]))], table())
    assert check_content(glb)[1][:, 0].tolist() == far[:, 0].tolist()


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd", "abcde", "楼", "楼号楼"])
def test_chunks_and_property_buffers_are_aligned_whatever_the_length_of_the_texts(name):
    glb = build_glb([Primitive(POSITIONS, NORMALS, np.array([0, 0, 0, 1, 1, 1]), np.array([[0, 1, 2]]))], table(names=(name or None, "x")))
    read = Glb(glb)
    assert len(glb) % 8 == 0
    assert read.binary_offset % 8 == 0
    properties = read.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["properties"]
    for column in properties.values():
        for part in ("values", "stringOffsets"):
            if part in column:
                assert (read.binary_offset + read.json["bufferViews"][column[part]]["byteOffset"]) % 8 == 0
    views = read.json["bufferViews"]
    assert all(view["byteOffset"] + view["byteLength"] <= len(read.binary) for view in views)
    assert all(view["byteLength"] > 0 for view in views)


def test_missing_values_are_the_declared_no_data_and_a_column_without_values_is_left_out():
    read = Glb(content())
    metadata = read.json["extensions"]["EXT_structural_metadata"]
    declared, stored = metadata["schema"]["classes"]["building"]["properties"], metadata["propertyTables"][0]["properties"]
    assert np.frombuffer(read.view(stored["height_m"]["values"]), "<f4").tolist() == [21.5, NO_FLOAT]
    assert declared["height_m"]["noData"] == NO_FLOAT
    assert np.frombuffer(read.view(stored["year_built"]["values"]), "<i2").tolist() == [NO_INTEGER, 1998]
    assert declared["year_built"]["noData"] == NO_INTEGER
    assert read.view(stored["name"]["values"]).decode() == "一号楼"
    assert np.frombuffer(read.view(stored["name"]["stringOffsets"]), "<u4").tolist() == [0, 9, 9]
    assert "use" in declared
    assert "use" not in stored


def test_translucent_and_double_sided_materials_say_so():
    gltf = pygltflib.GLTF2().load_from_bytes(content(double_sided=True, is_translucent=True, colour=(0.1, 0.2, 0.3, 0.5)))
    assert gltf.materials[0].alphaMode == "BLEND"
    assert gltf.materials[0].doubleSided is True
    assert gltf.materials[0].pbrMetallicRoughness.baseColorFactor == [0.1, 0.2, 0.3, 0.5]


def test_more_than_65534_vertices_take_wider_indices():
    n = 70_000
    points = np.zeros((n, 3), dtype=np.float32)
    points[:, 0] = np.arange(n)
    primitive = Primitive(points, np.tile(np.float32([0, 0, 1]), (n, 1)), np.zeros(n, dtype=int), np.array([[0, 1, n - 1]]))
    read = Glb(build_glb([primitive], PropertyTable("x", (Text("code", ["a"], is_id=True),), 1)))
    assert read.accessor(read.json["meshes"][0]["primitives"][0]["indices"]).ravel().tolist() == [0, 1, n - 1]


def test_features_without_triangles_keep_their_codes():
    codes, vertices = check_content(build_glb([], table()))
    assert codes == CODES
    assert len(vertices) == 0


def corrupt_offset(glb):
    read = Glb(glb)
    view = read.json["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["properties"]["code"]["stringOffsets"]
    at = read.binary_offset + read.json["bufferViews"][view]["byteOffset"]
    return glb[: at + 4] + struct.pack("<I", 9_999) + glb[at + 8 :]


def shifted(document):
    view = document["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["properties"]["code"]["values"]
    document["bufferViews"][view]["byteOffset"] += 4


def fewer_features(document):
    document["extensions"]["EXT_structural_metadata"]["propertyTables"][0]["count"] = 1


def other_minimum(document):
    document["accessors"][0]["min"][0] = -1.0


def longer_view(document):
    document["bufferViews"][0]["byteLength"] += 10_000


def unpackable(_):
    packed = content(compress=True)
    read = Glb(packed)
    view = read.json["bufferViews"][0]["extensions"]["EXT_meshopt_compression"]
    at = read.binary_offset + view["byteOffset"]
    return packed[:at] + bytes(view["byteLength"]) + packed[at + view["byteLength"] :]


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda glb: b"glTX" + glb[4:], "magic"),
        (lambda glb: glb[:-4], "glb header"),
        (lambda glb: glb[:10], "magic"),
        (corrupt_offset, "string offsets are not rising"),
        (lambda glb: edited(glb, shifted), "not 8-byte aligned"),
        (lambda glb: edited(glb, fewer_features), "string offsets are not rising, or not 2"),
        (lambda glb: edited(glb, other_minimum), "POSITION min/max"),
        (lambda glb: edited(glb, longer_view), "reaches past the end"),
        (lambda glb: edited(glb, lambda document: document.pop("extensions")), "no property table"),
        (unpackable, "damaged EXT_meshopt_compression data"),
    ],
)
def test_the_checker_finds_a_spoilt_content(spoil, fault):
    glb = content()
    check_content(glb)
    with pytest.raises(TileError, match=fault):
        check_content(spoil(glb))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"normals": NORMALS * 0.9}, "a normal has not length 1"),
        ({"features": np.array([0, 0, 0, 1, 1, 2])}, "a feature id is not in the property table"),
        ({"triangles": np.array([[0, 1, 6]])}, "an index reaches past the vertices"),
    ],
)
def test_the_checker_finds_wrong_values(change, fault):
    parts = {"positions": POSITIONS, "normals": NORMALS, "features": np.zeros(6, dtype=int), "triangles": np.array([[0, 1, 2]])} | change
    with pytest.raises(TileError, match=fault):
        check_content(build_glb([Primitive(**parts)], table()))
