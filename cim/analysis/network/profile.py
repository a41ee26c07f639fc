"""Longitudinal profiles: station, ground, invert and crown along a way, and a drawing of it (SVG)."""

from dataclasses import dataclass

import numpy as np

from cim.analysis.network.graph import Floats


@dataclass(frozen=True)
class Profile:
    """A longitudinal profile.

    Parameters
    ----------
    station_m
        Way from the start [m], shape (k,), ascending.
    ground_m, level_m
        Ground and pipe level [m], NaN where unknown, shape (k,).
    labels
        Name of each station.
    """

    station_m: Floats
    ground_m: Floats
    level_m: Floats
    labels: list[str]


def draw_profile(profile: Profile, *, title: str, width_px: int = 960, height_px: int = 360) -> str:
    """Return a drawing as SVG: ground, pipe, a vertical per point, levels and stations written.

    Parameters
    ----------
    profile
        What to draw.
    title
        Written above.
    width_px, height_px
        Size of the drawing [px].
    """
    levels = np.concatenate([profile.ground_m, profile.level_m])
    levels = levels[np.isfinite(levels)]
    low, high = (float(levels.min()) - 0.5, float(levels.max()) + 0.5) if len(levels) else (0.0, 1.0)
    total = max(float(profile.station_m[-1]) if len(profile.station_m) else 0.0, 1e-6)
    left, top, right, bottom = 60, 40, 20, 70

    def at(station: float, level: float) -> str:
        x = left + station / total * (width_px - left - right)
        y = top + (high - level) / (high - low) * (height_px - top - bottom)
        return f"{x:.1f},{y:.1f}"

    def line(values: Floats, style: str) -> str:
        points = " ".join(at(float(s), float(v)) for s, v in zip(profile.station_m, values, strict=True) if np.isfinite(v))
        return f'<polyline points="{points}" fill="none" {style}/>'

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width_px}" height="{height_px}" font-family="sans-serif" font-size="11">',
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{left}" y="22" font-size="15">{_escape(title)}</text>',
        line(profile.ground_m, 'stroke="#5d4037" stroke-width="2"'),
        line(profile.level_m, 'stroke="#1565c0" stroke-width="3"'),
    ]
    step = max(1, len(profile.labels) // 24)
    for i, (station, label) in enumerate(zip(profile.station_m, profile.labels, strict=True)):
        x = at(float(station), low).split(",")[0]
        parts.append(f'<line x1="{x}" y1="{top}" x2="{x}" y2="{height_px - bottom}" stroke="#bbb" stroke-width="0.5"/>')
        if i % step == 0:
            text = f"{station:.1f} m · {label}"
            foot = height_px - bottom + 12
            parts.append(f'<text x="{x}" y="{foot}" transform="rotate(35 {x} {foot})">{_escape(text)}</text>')
    for level in np.linspace(low, high, 5):
        y = at(0, float(level)).split(",")[1]
        parts.append(f'<text x="4" y="{y}">{level:.2f} m</text>')
    return "\n".join([*parts, "</svg>"])


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
