"""Leave files that no reader loads out of the site, as a hook of MkDocs: they were two thirds of its bytes."""

import re
import shutil
from pathlib import Path
from typing import Any

_AS_WRITTEN = re.compile(r"(<(pre|script|style|textarea)\b.*?</\2>)", re.DOTALL)
_AROUND_LINE_BREAK = re.compile(r"\s*\n\s*")


def on_post_page(output: str, **_: Any) -> str:
    """Return the page with one line break for each run of white space that has one, except where white space counts.

    The theme's templates leave their indentation and empty lines, half of each page.
    """
    parts = []
    end = 0
    for kept in _AS_WRITTEN.finditer(output):
        parts += [_AROUND_LINE_BREAK.sub("\n", output[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, _AROUND_LINE_BREAK.sub("\n", output[end:])])


def on_post_build(config: Any, **_: Any) -> None:
    """Remove the theme's source maps, and the stemmers of languages in which no page is."""
    assets = Path(config["site_dir"], "assets")
    for source_map in assets.rglob("*.map"):
        source_map.unlink()
    shutil.rmtree(assets / "javascripts" / "lunr")
