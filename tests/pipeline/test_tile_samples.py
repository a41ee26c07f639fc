"""The checker against tilesets of others: the specs of CesiumGS/3d-tiles-validator and samples of CesiumGS/3d-tiles-samples."""

import json

import pytest

from tests.support.cli import run_cim
from tiles.validate import validate_folder

# File names are the validator's own; each says what is wrong in it.
WRONG = [
    "assetVersionMissing", "assetVersionUnknown", "assetVersionInvalidType", "boundingVolumeBoxInvalidArrayLength",
    "boundingVolumeMissingProperty", "invalidJson", "tileChildrenEmptyArray", "tileGeometricErrorMissing", "tileGeometricErrorNegative",
    "tileGeometricErrorNotSmallerThanParentGeometricError", "tileRefineInvalidValue", "tileRefineMissingInRoot", "tileRefineWrongCase",
    "tileRefineWrongType", "tileTransformInvalidArrayLength", "tileTransformNonInvertible", "tilesetAssetMissing",
    "tilesetGeometricErrorMissing", "tilesetGeometricErrorNegative", "tilesetWithCycleA", "tilesetWithCycleB",
    "validTilesetWithGlbWithErrors", "validTilesetWithInvalidB3dm",
]  # fmt: skip
RIGHT = ["validTileset", "validTilesetWithSchema", "validTilesetWithCustomSemantics", "implicitTilingValid"]


@pytest.fixture(scope="module")
def specs(real_data):
    return real_data / "tiles3d/validator_specs/data/tilesets"


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_tileset_is_found(specs, name):
    assert validate_folder(specs / f"{name}.json").faults


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_tileset_passes(specs, name):
    assert validate_folder(specs / f"{name}.json").faults == []


def test_no_tileset_of_the_specs_stops_the_checker(specs):
    assert len([validate_folder(path) for path in sorted(specs.glob("*.json"))]) > 100


def test_the_samples_of_3d_tiles_1_1_pass(real_data):
    samples = real_data / "tiles3d/samples/1.1"
    folders = [path.parent for path in samples.rglob("tileset.json")]
    assert len(folders) >= 8
    for folder in folders:
        assert validate_folder(folder).faults == [], folder


def test_a_content_that_is_not_there_is_named(real_data, settings):
    result = run_cim(settings, "tiles", "validate", "--folder", real_data / "tiles3d/samples/1.0/TilesetWithDiscreteLOD", "--json")
    assert result.code == 1
    # Its third level is named in tileset.json but not part of the sample.
    assert "dragon_high.b3dm is missing" in json.dumps(result.json())
