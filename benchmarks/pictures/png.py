"""Pictures of pages with few colours: PNG with a palette takes a third of what a browser writes."""

from __future__ import annotations

import base64
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_COLOURS = 256
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DECODED = """async (data) => {
  const image = new Image();
  image.src = 'data:image/png;base64,' + data;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, image.width, image.height).data;
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return [image.width, image.height, btoa(text)];
}"""


def write_small(browser: Browser, picture: bytes, to: Path) -> None:
    """Write a PNG with the 256 most frequent of its colours; each of the others becomes the nearest of them. OSError
    when the file cannot be written."""
    page = browser.new_page()
    try:
        width, height, pixels = page.evaluate(_DECODED, base64.b64encode(picture).decode("ascii"))
    finally:
        page.close()
    colours = np.frombuffer(base64.b64decode(pixels), np.uint8).reshape(height, width, 4)[:, :, :3]
    to.write_bytes(with_palette(colours))


def with_palette(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG (PNG specification, third edition, colour type 3) of rows of red, green and blue: shape (height, width,
    3)."""
    height, width, _ = pixels.shape
    packed = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
    found, places, counts = np.unique(packed.ravel(), return_inverse=True, return_counts=True)
    kept = np.argsort(-counts, kind="stable")[:_COLOURS]
    every = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.int32)
    palette = every[kept]
    nearest = np.array([np.argmin(((palette - colour) ** 2).sum(axis=1)) for colour in every], np.uint8)
    rows = np.hstack([np.zeros((height, 1), np.uint8), nearest[places].reshape(height, width)])
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", palette.astype(np.uint8).tobytes()),
            _chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
