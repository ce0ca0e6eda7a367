"""Lines of text in a picture's corner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wtsnet.draw.boxes import Color


def write_legend(canvas: Image.Image, lines: Sequence[tuple[str, Color]]) -> None:
    """Write texts on black, each behind a square of its colour, from the top left down, as many as there is place for.

    Letters grow with the picture, and become smaller, down to 6 pixels, where the longest text is wider than it.
    """
    pen = ImageDraw.Draw(canvas)
    letters = max(12, round(min(canvas.size) / 32))
    while True:
        font, margin = ImageFont.load_default(letters), max(2, letters // 4)
        widths = [round(pen.textlength(text, font=font)) + letters + 2 * margin for text, _ in lines]
        if max(widths, default=0) < canvas.width or letters <= 6:
            break
        letters -= 1
    for line, ((text, color), width) in enumerate(zip(lines, widths, strict=True)):
        top = line * (letters + margin)
        if top + letters + margin > canvas.height:
            break
        pen.rectangle((0, top, width, top + letters + margin), fill=(0, 0, 0))
        pen.rectangle((margin, top + margin, letters - 1, top + letters - 1), fill=color)
        pen.text((letters + margin, top + (letters + margin) / 2), text, fill=(255, 255, 255), font=font, anchor="lm")
