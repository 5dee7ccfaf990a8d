"""Text of the structured reports of a series, for the dock. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta._napari.tasks.rows import Offer
from napari_dicommeta.export.reports import is_report, reports

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Series

__all__ = ["place_offers", "report_lines"]


def place_offers(series: Series) -> tuple[Offer, ...]:
    """Return the offer to add the places of measurements, if the reports of a series have any."""
    if not any(measurement.places for report in reports(series.catalog) for measurement in report.measurements):
        return ()
    why = "Show where the report measured, on the images that are open"
    return (Offer(words="Add places", why=why, with_places=True),)


def report_lines(series: Series) -> tuple[str, ...]:
    """Return the measurements of the reports of a series, a line each, and the text of those without; () without any.

    A report that cannot be read is a line with the reason.
    """
    if not any(is_report(text) for text in series.catalog.values("SOPClassUID")):
        return ()
    found = reports(series.catalog)
    lines: list[str] = []
    for report in found:
        lines.append(report.title)
        for measurement in report.measurements:
            where = ", ".join(filter(None, (measurement.group, measurement.finding, measurement.site)))
            what = ", ".join((measurement.name, *measurement.qualifiers))
            lines.append(f"{what}: {measurement.text} {measurement.unit}".strip() + (f" ({where})" if where else ""))
        if not report.measurements:
            lines += report.lines[1:]
    lines += [str(failure) for failure in found.failures]
    return tuple(lines)
