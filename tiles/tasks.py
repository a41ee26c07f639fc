"""Jobs of the tiler."""

from typing import Any

from cim.jobs import REBUILD_TILES
from cim.settings import Settings
from tiles.build import build_layers, rebuild_changed


def register(app: Any, settings: Settings) -> None:  # noqa: ANN401 - procrastinate ships no types
    """Register the tasks with the job application."""

    @app.task(name=REBUILD_TILES)  # type: ignore[untyped-decorator]  # procrastinate ships no types
    def rebuild() -> list[str]:
        """Rebuild what the outbox says has changed."""
        return rebuild_changed(settings)

    @app.task(name="tiles.build")  # type: ignore[untyped-decorator]  # procrastinate ships no types
    def build(layers: list[str]) -> list[str]:
        """Build layers by name."""
        return [result.layer for result in build_layers(settings, layers)]
