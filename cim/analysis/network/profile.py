"""Longitudinal profiles: station, ground, invert and crown along a way, and a drawing of it (SVG)."""

from dataclasses import dataclass

import numpy as np

from cim.analysis.network.graph import Floats

_LEFT, _TOP, _RIGHT, _FOOT = 60, 40, 24, 216
_LABEL_PX = 13.0


@dataclass(frozen=True)
class Profile:
    """A longitudinal profile of k points and the k - 1 lines between them.

    Parameters
    ----------
    station_m
        Way from the start [m], shape (k,), ascending.
    ground_m
        Ground [m], NaN where unknown, shape (k,).
    level_m
        Level of the point: the lowest line that ends there [m], NaN where unknown, shape (k,).
    labels
        Name of each station.
    invert_m, crown_m
        Inside bottom and top of each line at its beginning and end along the way [m], NaN where unknown, shape (k - 1, 2). At a drop
        manhole the end of one line and the beginning of the next differ.
    """

    station_m: Floats
    ground_m: Floats
    level_m: Floats
    labels: list[str]
    invert_m: Floats
    crown_m: Floats


def inverts_and_crowns(ends_m: Floats, height_mm: Floats, reference: list[str | None]) -> tuple[Floats, Floats]:
    """Return inside bottom and top of lines whose levels run to their crown, centre or invert.

    Parameters
    ----------
    ends_m
        Level of each line at both ends [m], shape (n, 2).
    height_mm
        Inner height [mm], NaN where unknown (drawn as a line), shape (n,).
    reference
        crown, centre or invert; None = invert.

    Returns
    -------
    tuple
        Inverts and crowns [m], shape (n, 2) each.

    Examples
    --------
    >>> invert, crown = inverts_and_crowns(np.array([[10.0, 9.0]]), np.array([500.0]), ["centre"])
    >>> invert.tolist(), crown.tolist()
    ([[9.75, 8.75]], [[10.25, 9.25]])
    """
    height = np.nan_to_num(height_mm, nan=0.0)[:, None] / 1000
    share = np.array([{"crown": 1.0, "centre": 0.5}.get(one or "", 0.0) for one in reference])[:, None]
    invert = ends_m - share * height
    return invert, invert + height


def draw_profile(profile: Profile, *, title: str, width_px: int = 960, height_px: int = 520) -> str:
    """Return a drawing as SVG: ground, every line from invert to crown, a vertical per point, levels and stations written.

    Parameters
    ----------
    profile
        What to draw.
    title
        Written above.
    width_px, height_px
        Size of the drawing [px].
    """
    levels = np.concatenate([profile.ground_m, profile.level_m, profile.invert_m.ravel(), profile.crown_m.ravel()])
    levels = levels[np.isfinite(levels)]
    low, high = (float(levels.min()) - 0.5, float(levels.max()) + 0.5) if len(levels) else (0.0, 1.0)
    total = max(float(profile.station_m[-1]) if len(profile.station_m) else 0.0, 1e-6)
    bottom = height_px - _FOOT

    def x_of(station: float) -> float:
        return _LEFT + station / total * (width_px - _LEFT - _RIGHT)

    def y_of(level: float) -> float:
        return _TOP + (high - level) / (high - low) * (bottom - _TOP)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width_px} {height_px}" width="{width_px}" height="{height_px}">',
        "<style>text { font: 11px sans-serif; } text.title { font-size: 15px; }</style>",
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{_LEFT}" y="22" class="title">{_escape(title)}</text>',
    ]
    for level in np.linspace(low, high, 5):
        y = y_of(float(level))
        parts.append(f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{width_px - _RIGHT}" y2="{y:.1f}" stroke="#ddd" stroke-width="0.5"/>')
        parts.append(f'<text x="4" y="{y + 4:.1f}">{level:.2f} m</text>')
    written = -_LABEL_PX
    last = len(profile.labels) - 1
    end = x_of(float(profile.station_m[-1])) if len(profile.station_m) else 0.0
    for i, (station, label) in enumerate(zip(profile.station_m, profile.labels, strict=True)):
        x = x_of(float(station))
        parts.append(f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}" stroke="#bbb" stroke-width="0.5"/>')
        # The end is always written; what would run into it or into the label before is not.
        if i == last or (x - written >= _LABEL_PX and end - x >= _LABEL_PX):
            written = x
            text = _escape(f"{station:.1f} m · {label}")
            parts.append(
                f'<text x="{x + 4:.1f}" y="{bottom + 8}" text-anchor="end" transform="rotate(-90 {x + 4:.1f} {bottom + 8})">{text}</text>'
            )
    for i, (invert, crown) in enumerate(zip(profile.invert_m, profile.crown_m, strict=True)):
        if not (np.isfinite(invert).all() and np.isfinite(crown).all()):
            continue
        a, b = (x_of(float(profile.station_m[j])) for j in (i, i + 1))
        corners = [(a, invert[0]), (b, invert[1]), (b, crown[1]), (a, crown[0])]
        points = " ".join(f"{x:.1f},{y_of(float(level)):.1f}" for x, level in corners)
        parts.append(f'<polygon points="{points}" fill="#90caf9" stroke="#1565c0" stroke-width="1.2"/>')
    ground = " ".join(
        f"{x_of(float(s)):.1f},{y_of(float(v)):.1f}" for s, v in zip(profile.station_m, profile.ground_m, strict=True) if np.isfinite(v)
    )
    parts.append(f'<polyline points="{ground}" fill="none" stroke="#5d4037" stroke-width="2"/>')
    return "\n".join([*parts, "</svg>"])


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
