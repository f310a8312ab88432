"""Bars as SVG, for light and dark pages."""

from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, COLUMNS = 840, 2
PANEL = WIDTH // COLUMNS
LABELS, VALUES = 204, 48
BAR, GAP = 15, 7
TITLE, HEAD = 26, 34
STYLE = """
text { font: 12px system-ui, sans-serif; fill: #3d3d3a; }
.title { font-weight: 600; font-size: 13px; }
.name { text-anchor: end; }
.ours { fill: #2a78d6; } .theirs { fill: #b4b2a9; } .ideal { stroke: #3d3d3a; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #d3d1c7; } .ours { fill: #4a94ea; } .theirs { fill: #6f6d66; } .ideal { stroke: #d3d1c7; }
}
"""


@dataclass
class Bar:
    name: str
    value: float
    ours: bool
    ideal: float | None = None


@dataclass
class Panel:
    title: str
    bars: list


def draw(path, title, panels):
    """Panels side by side, each with a scale of its own that begins at 0."""
    panels = list(panels)
    height, parts = HEAD, []
    for start in range(0, len(panels), COLUMNS):
        row = panels[start : start + COLUMNS]
        for column, panel in enumerate(row):
            parts += bars(panel, column * PANEL, height)
        height += TITLE + max(len(panel.bars) for panel in row) * (BAR + GAP) + GAP
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">'
    )
    lines = [head, f"<style>{STYLE}</style>", text(8, 18, title, "title"), *parts, "</svg>"]
    path.write_text("\n".join(lines) + "\n")


def bars(panel, left, top):
    yield text(left + LABELS, top + 14, panel.title, "title")
    longest = max(max(bar.value, bar.ideal or 0) for bar in panel.bars)
    scale = (PANEL - LABELS - VALUES) / longest
    for index, bar in enumerate(panel.bars):
        y = top + TITLE + index * (BAR + GAP)
        x, length = left + LABELS, max(1, bar.value * scale)
        yield text(x - 6, y + 12, bar.name, "name")
        kind = "ours" if bar.ours else "theirs"
        yield f'<rect class="{kind}" x="{x}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>'
        end = length
        if bar.ideal:
            end = bar.ideal * scale
            yield f'<path class="ideal" d="M{x + end:.1f} {y - 2}v{BAR + 4}"/>'
        yield text(x + max(length, end) + 6, y + 12, three_digits(bar.value), "")


def three_digits(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def text(x, y, words, kind):
    return f'<text class="{kind}" x="{x:.1f}" y="{y}">{escape(words)}</text>'
