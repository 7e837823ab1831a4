"""Tables of pages that are made from the code; `make graph` writes them."""

from pathlib import Path

from iterpref_core.problems.ingestion.presets import PRESETS

PROBLEMS = Path(__file__).with_name("problems.md")
_HUB = "https://huggingface.co/datasets"
_HEAD = "| set | `--format` | license | from the hub | read |\n|---|---|---|---|---|\n"


def rows_of_sets() -> list[str]:
    """Return the rows of the table of public sets in docs/problems.md, one for each preset."""
    rows = []
    for name, preset in PRESETS.items():
        title = f"[{preset.title}]({_HUB}/{preset.card})" if preset.card else preset.title
        words = f"`{preset.card} {preset.hub}".rstrip() + "`" if preset.card else ""
        rows.append(f"| {title} | `{name}` | {preset.license} | {words} | {preset.notes} |")
    return rows


def with_rows(page: str) -> str:
    """Return the text of docs/problems.md with the present rows in its table."""
    before, head, after = page.partition(_HEAD)
    _, _, rest = after.partition("\n\n")
    return before + head + "\n".join(rows_of_sets()) + "\n\n" + rest


def main() -> None:
    """Write the table of docs/problems.md."""
    PROBLEMS.write_text(with_rows(PROBLEMS.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
