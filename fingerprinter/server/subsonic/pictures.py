"""Covers in the size that a player asks for."""

from __future__ import annotations

from io import BytesIO

from fingerprinter.server.media import Cover

SMALLEST, LARGEST = 16, 2048  # pixels
_MAX_PIXELS = 40_000_000  # of a picture that is decoded: 160 MB


def resized(cover: Cover, size: int) -> Cover:
    """Return a cover that fits a square of ``size`` pixels.

    A cover that is smaller, or that cannot be decoded in little memory, stays as it is.
    """
    from PIL import Image

    size = min(max(size, SMALLEST), LARGEST)
    try:
        with Image.open(BytesIO(cover.data)) as picture:
            if max(picture.size) <= size or picture.width * picture.height > _MAX_PIXELS:
                return cover
            picture.draft("RGB", (size, size))  # JPEG is decoded in a lower resolution at once
            picture.thumbnail((size, size))
            target = BytesIO()
            if picture.mode in ("RGBA", "LA", "P", "PA"):
                picture.convert("RGBA").save(target, "PNG")
                return Cover(target.getvalue(), "image/png")
            picture.convert("RGB").save(target, "JPEG", quality=85)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return cover  # damaged; a player may know better what to do with it
    return Cover(target.getvalue(), "image/jpeg")
