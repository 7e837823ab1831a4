"""Reference of the Python interface: a page for each room of the core, which mkdocstrings fills from the docstrings."""

from pathlib import Path


def python_pages(core: Path) -> dict[str, str]:
    """Pages in Markdown, by their name: the modules of the core's ground, and one for each of its packages.

    Args:
        core: folder `iterpref_core`.
    """
    packages = sorted(path for path in core.iterdir() if (path / "__init__.py").is_file())
    pages = {core.name: _page(core.name, sorted(core.glob("*.py")), core)}
    return pages | {path.name: _page(f"{core.name}.{path.name}", sorted(path.rglob("*.py")), core) for path in packages}


def _page(title: str, modules: list[Path], core: Path) -> str:
    names = [".".join(path.relative_to(core.parent).with_suffix("").parts) for path in modules]
    names = sorted({name.removesuffix(".__init__") for name in names if ".__main__" not in name})
    return "\n".join([f"# {title}\n", *(f"::: {name}\n" for name in names)])
