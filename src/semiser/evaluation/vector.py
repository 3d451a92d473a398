"""Figures as SVG: text stays text, and black follows the page, so that they can be read in dark mode."""

import io
import re

import matplotlib
from matplotlib.figure import Figure

# Okabe and Ito's colours (2008), which colour-blind readers tell apart, without black and yellow: for both grounds.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#8c8c8c", "#B8860B")
_STYLE = "<style>svg{color:#1c2127}@media (prefers-color-scheme: dark){svg{color:#e4e8ec;background:#14181c}}</style>"


def lay_out(figure: Figure) -> None:
    """Place what the figure's layout engine places, once: saving it then lays out nothing, in whichever format."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)


def as_svg(figure: Figure) -> str:
    """An `<svg>` element for a page: no ground of its own, black is the colour of the text around it."""
    text = io.StringIO()
    lay_out(figure)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "semiser"}):
        figure.savefig(text, format="svg", transparent=True, metadata=dict.fromkeys(("Date", "Creator")))
    found = text.getvalue()
    found = found[found.index("<svg") :]
    found = re.sub(r"\s*<metadata>.*?</metadata>", "", found, flags=re.S)
    found = re.sub(r'<g id="(?!clip)[^"]*"', "<g", found)  # names that would stand on a page several times
    found = re.sub(r"#000000\b", "currentColor", found)
    found = found.replace("<svg ", '<svg fill="currentColor" ', 1)
    return re.sub(r'font: ([^;"]*?)px [^;"]*', r"font: \1px system-ui, sans-serif", found)


def as_svg_file(figure: Figure) -> str:
    """The same as a file, which follows the mode of the browser that shows it."""
    head, _, rest = as_svg(figure).partition(">")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{head}>{_STYLE}{rest}'
