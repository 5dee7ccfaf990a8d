"""Places of measurements over the images that a report was made on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_factory import ROOT, write_series
from napari.layers import Layer, Points, Shapes

from napari_dicommeta._napari.reader import load_layers
from napari_dicommeta._napari.report_places import outline_of, place_layers
from napari_dicommeta.export.reports import Measurement, Place, Report
from napari_dicommeta.support.html import Records

FRAME = "1.2.3"


@pytest.fixture
def layers(tmp_path: Path) -> list[Layer]:
    write_series(tmp_path, 4, FrameOfReferenceUID=FRAME)
    return list(load_layers([str(tmp_path)]))


def report(*places: Place) -> Report:
    measurement = Measurement(name="<b>Diameter</b>", value=5, text="5", unit="mm", places=places)
    return Report(path="sr.dcm", title="Report", lines=(), measurements=Records([measurement]))


def test_places_in_an_image_and_in_the_patient_are_layers_over_it(layers: list[Layer]) -> None:
    line = Place(kind="POLYLINE", points=((2.5, 3.5), (6.5, 3.5), (6.5, 9.5)), image=f"{ROOT}.3.2")
    point = Place(kind="POINT", points=((-8.0, -17.0, 2.5),), frame_of_reference=FRAME)
    shapes, points = place_layers([report(line, point)], layers)
    assert isinstance(shapes, Shapes)
    assert isinstance(points, Points)
    np.testing.assert_allclose(shapes.data[0], [[2, 3, 2], [2, 3, 6], [2, 9, 6]])  # centers of pixels are at 0.5
    np.testing.assert_allclose(points.data, [[1, 4, 4]])  # 0.75 mm rows, 0.5 mm columns, 2.5 mm slices
    np.testing.assert_allclose(shapes.scale, layers[0].scale)
    assert shapes.shape_type == ["path"]
    assert points.features["measurement"].tolist() == ["‹b›Diameter‹/b›: 5 mm"]


@pytest.mark.parametrize(
    "place",
    [
        Place(kind="POINT", points=((2.0, 3.0),), image=f"{ROOT}.3.99"),
        Place(kind="POINT", points=((-8.0, -17.0, 2.5),), frame_of_reference="1.2.4"),
        Place(kind="POINT", points=((-8.0, -17.0, 99.0),), frame_of_reference=FRAME),
        Place(kind="POINT", points=((1.0, 2.0, 3.0),), image=f"{ROOT}.3.1"),
    ],
)
def test_a_place_that_lies_in_no_open_image_makes_no_layer(layers: list[Layer], place: Place) -> None:
    assert list(place_layers([report(place)], layers)) == []


def test_circles_and_ellipses_become_polygons() -> None:
    circle = outline_of("CIRCLE", np.array([[1.0, 5, 5], [1, 5, 8]]))
    np.testing.assert_allclose(np.hypot(circle[:, 1] - 5, circle[:, 2] - 5), 3)
    assert (circle[:, 0] == 1).all()
    ellipse = outline_of("ELLIPSE", np.array([[0.0, 5, 1], [0, 5, 9], [0, 3, 5], [0, 7, 5]]))
    np.testing.assert_allclose(((ellipse[:, 1] - 5) / 2) ** 2 + ((ellipse[:, 2] - 5) / 4) ** 2, 1)
