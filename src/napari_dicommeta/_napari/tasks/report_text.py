"""Text of the structured reports of a series, for the dock. No Qt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_dicommeta.export.reports import is_report, reports

if TYPE_CHECKING:
    from napari_dicommeta.catalog.catalog import Series

__all__ = ["report_lines"]


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
    lines += [failure.brief for failure in found.failures]
    return tuple(lines)
