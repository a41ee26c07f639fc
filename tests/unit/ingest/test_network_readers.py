"""Readers of networks: broken files name their line, units are converted, control points fit."""

import numpy as np
import pytest

from cim.errors import SourceSyntaxError
from cim.geometry.snap import snap_ends
from ingest.network.epanet import map_epanet
from ingest.network.georef import fit_georeference
from ingest.network.inp import dialect, read_inp
from ingest.network.swmm import map_swmm

NET = """[JUNCTIONS]
 A 100 10
[RESERVOIRS]
 R 200
[PIPES]
 P R A 1000 12 100 0 Open
[COORDINATES]
 A 1000 0
 R 0 0
[VERTICES]
 P 500 50
[OPTIONS]
 UNITS {units}
[END]
"""


def inp(tmp_path, text):
    path = tmp_path / "n.inp"
    path.write_text(text, encoding="utf-8")
    return read_inp(path)


@pytest.mark.parametrize(("units", "elevation", "diameter"), [("GPM", 30.48, 304.8), ("LPS", 100.0, 12.0)])
def test_epanet_units_come_from_the_file(tmp_path, units, elevation, diameter):
    # 100 ft = 30.48 m, 12 in = 304.8 mm by definition of foot and inch.
    survey = map_epanet(inp(tmp_path, NET.format(units=units)), "EPSG:4547")
    assert survey.points.column("elevation_m")[0].as_py() == pytest.approx(elevation)
    assert survey.lines.column("diameter_mm")[0].as_py() == pytest.approx(diameter)
    assert survey.points.column("appendage").to_pylist() == [None, "SOURCE"]
    assert survey.lines.column("wkb")[0].as_py() is not None


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (NET.format(units="GPM").replace("1000 12 100", "1000 wide 100"), 6, "'wide'"),
        (NET.format(units="GPM").replace(" P R A 1000 12 100 0 Open", " P R A"), 6, "found 3 values"),
        (NET.format(units="GPM").replace(" A 1000 0", " A 1000 x"), 8, "'x'"),
        ("[JUNCTIONS\nA 1\n", 1, "brackets"),
        ("A 1\n[JUNCTIONS]\n", 1, "before the first section"),
    ],
)
def test_a_broken_section_is_named_by_its_line(tmp_path, text, line, told):
    with pytest.raises(SourceSyntaxError, match=f"line {line}") as caught:
        map_epanet(inp(tmp_path, text), "EPSG:4547")
    assert told in caught.value.message


def test_unknown_units_are_refused(tmp_path):
    with pytest.raises(SourceSyntaxError, match="UNITS: found 'FURLONGS'"):
        map_epanet(inp(tmp_path, NET.format(units="FURLONGS")), "EPSG:4547")


def test_a_file_of_neither_engine_is_refused(tmp_path):
    with pytest.raises(SourceSyntaxError, match="expected \\[PIPES\\]"):
        dialect(inp(tmp_path, "[TITLE]\nnothing\n"))


def test_subcatchments_stand_at_the_node_that_takes_their_water(tmp_path):
    text = """[OPTIONS]
FLOW_UNITS CMS
[JUNCTIONS]
J 10 2
[OUTFALLS]
O 9 FREE
[CONDUITS]
C J O 50 0.013 0.5 0
[XSECTIONS]
C CIRCULAR 0.6 0 0 0
[SUBCATCHMENTS]
S1 G J 2.5 40 100 1
S2 G S1 1.5 10 100 1
[COORDINATES]
J 0 0
O 50 0
"""
    survey = map_swmm(inp(tmp_path, text), "EPSG:4547", kind="rainwater")
    assert survey.notes["subcatchments"] == 2
    assert '"area_ha":2.5' in survey.points.column("attributes")[0].as_py()
    line = survey.lines.to_pylist()[0]
    assert (line["diameter_mm"], line["start_elevation_m"], line["end_elevation_m"]) == (600.0, 10.5, 9.0)


def test_control_points_give_scale_rotation_and_shift_back():
    angle, scale = np.radians(30), 0.3048
    source = np.array([[0.0, 0.0], [1000.0, 0.0], [300.0, 700.0]])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = source @ turn.T + [500_000.0, 3_400_000.0]
    found = fit_georeference(source, target)
    assert found.scale == pytest.approx(scale)
    assert max(found.residual_m) < 1e-6
    assert np.allclose(np.stack(found.apply(*source.T), axis=1), target)
    bad = fit_georeference(source, target + np.array([[0.0, 0.0], [0.0, 0.0], [3.0, 0.0]]))
    assert max(bad.residual_m) > 1


def test_one_control_point_is_not_enough():
    with pytest.raises(ValueError, match="two or more"):
        fit_georeference(np.array([[1.0, 1.0]]), np.array([[2.0, 2.0]]))


def test_line_ends_snap_to_the_nearest_point_else_to_each_other():
    points = np.array([[0.0, 0.0], [0.4, 0.0]])
    ends = np.array([[0.3, 0.0], [10.0, 0.0], [10.3, 0.0], [20.0, 0.0]])
    assert snap_ends(points, ends, 0.5).tolist() == [1, 3, 3, 5]
