"""Copy pictures that the browser tests made from tests/output to docs/images, small enough for the repository.

Example: python scripts/keep_pictures.py
"""

from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
OUTPUT, IMAGES = ROOT / "tests" / "output", ROOT / "docs" / "images"
COLOURS = 128
WIDTH = 960


def main() -> None:
    """Keep the pictures of the tour and of the README."""
    wanted = {f"tour-{spoken}-{number}.png": f"tour-{spoken}-{number}.png" for spoken in ("en", "zh") for number in range(1, 7)}
    for made, kept in {**wanted, "tour-en-1.png ": "viewer.png"}.items():
        picture = Image.open(OUTPUT / made.strip()).convert("RGB")
        if kept != "viewer.png":
            picture = picture.resize((WIDTH, round(picture.height * WIDTH / picture.width)), Image.Resampling.LANCZOS)
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(IMAGES / kept, optimize=True)


if __name__ == "__main__":
    main()
