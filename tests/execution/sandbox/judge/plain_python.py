"""Plain Python, the oracle of composed tests."""


def passes_in_plain_python(solution: str, test: str) -> bool:
    """Whether a test passes where it runs beside its solution, without a judge. Only texts of these tests are run."""
    names: dict[str, object] = {}
    exec(solution, names)
    try:
        exec(test, names)
    except Exception:  # noqa: BLE001 - whatever a composed test raises
        return False
    return True
