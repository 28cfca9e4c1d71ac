"""The two charts of an evaluation's report: the familiarity of queries, and curves in a square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element

from engine.charts import Chart, share_axis


def histogram(title: str, shares: Mapping[str, Sequence[float]], threshold: float) -> Element:
    """For each named group the share of its queries in equally wide steps of familiarity, as steps of a line."""
    chart = Chart(title, share_axis("familiarity, 0 to 1", per_cent=False), share_axis("questions of the kind, %"))
    for number, (name, values) in enumerate(shares.items()):
        points = []
        for place, value in enumerate(values):
            points += [(place / len(values), value), ((place + 1) / len(values), value)]
        chart.curve(number, name, points)
    chart.key(beside=2)
    chart.rule([(threshold, 0), (threshold, 1)], "mark", "4 3")
    chart.label(threshold, f"threshold {threshold:.2f}")
    return chart.svg


def curves(title: str, named: Mapping[str, Sequence[tuple[float, float]]]) -> Element:
    """Named curves of (share of probes let by, share of questions about edits let by)."""
    chart = Chart(title, share_axis("probes let by, %"), share_axis("questions about edits let by, %"))
    chart.rule([(0, 0), (1, 1)], "mark", "3 4")
    for number, (name, points) in enumerate(named.items()):
        chart.curve(number, name, points)
    chart.key(beside=1)
    return chart.svg
