"""Find the Prefect server that PREFECT_API_URL names, or the server of `iterpref ui`.

Prefect is imported inside functions, because its import takes a second and a half.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from iterpref_core.records import InputError
from tasks.addresses import without_passwords
from tasks.local_server import BROKEN, ServerError, belongs_to_user, served, write_private
from tasks.paths import STATE, home

_PORT = 4200
"""The preferred port of `iterpref ui`; any free port if that one is taken."""
HEARTBEAT_S = 30
"""Seconds between two signs of life of a run, the least that Prefect takes. docker/automations.yaml counts on it."""

_SETTINGS_FILES = (".env", "prefect.toml")
"""Files of the present folder that Prefect reads, next to its profiles (docs.prefect.io, settings and profiles)."""
_ADDRESS = STATE / "prefect.url"
"""The file with the address of the server of this checkout's `iterpref ui`, while that runs."""
PASSWORD = STATE / "prefect.password"
"""The file with the password of that server, which only the user can read."""


@contextmanager
def prefect_server(port: int | None = None) -> Iterator[str]:
    """Start a Prefect server that ends with this process, however that is.

    Prefect's own temporary server would outlive a killed run.

    Args:
        port: as for `served`.

    Yields:
        The address of the server's interface for programs, once the server answers.

    Raises:
        ServerError: the server did not start.
    """
    folder = (home() / STATE / "prefect").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)  # results on its pages have the address of MLflow's
    database = f"sqlite+aiosqlite:///{folder}/prefect.db"
    password = os.environ.get("PREFECT_SERVER_API_AUTH_STRING") or _own_password()
    # This process and its children ask no other server.
    os.environ["PREFECT_API_AUTH_STRING"] = password
    # A server of our own that has ended does not come back, so long retries are in vain.
    os.environ.setdefault("PREFECT_CLIENT_MAX_RETRIES", "3")

    settings = {
        "PREFECT_HOME": str(folder),
        # Without these two, every user of the machine and every web page that is open could run commands. The server's
        # own page needs no permission, and no page comes from this name.
        "PREFECT_SERVER_API_AUTH_STRING": password,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "https://nobody.invalid",
        # The page asks the address that it comes from, which with `ssh -L` has another port.
        "PREFECT_UI_API_URL": "/api",
        # Both names: a user's own setting may have either, and is meant for another server.
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database,
        "PREFECT_API_DATABASE_CONNECTION_URL": database,
        "PREFECT_SERVER_API_BASE_PATH": "/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The second version of the pages asks a service of its makers for settings.
        "PREFECT_SERVER_UI_V2_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "DO_NOT_TRACK": "1",
    }
    with ExitStack() as stack:
        try:
            server = served("prefect", ["prefect", "server", "start"], port, settings, "/api/health", _PORT)
            address = stack.enter_context(server)
        except ServerError as error:
            if not BROKEN.search(str(error)):
                raise
            raise ServerError(
                f"{folder / 'prefect.db'} is broken, or a newer Prefect has written it: install that version again, or "
                f"move the file away; it has schedules and the list of runs, and no results ({error})"
            ) from None
        yield f"{address}/api"


def _own_password() -> str:
    """Return the password of this checkout's server, `user:word`; the first call writes it to a file of the user's."""
    path = home() / PASSWORD
    if not path.is_file():
        write_private(path, f"iterpref:{secrets.token_urlsafe(16)}")
    return path.read_text(encoding="ascii")


def _own_server() -> str | None:
    """Return the address of this checkout's server if it is there.

    An `iterpref ui` that was killed leaves its address, where another user may wait for the password by now.
    """
    address = home() / _ADDRESS
    url = address.read_text(encoding="utf-8") if address.is_file() else None
    return url if url and belongs_to_user(url) else None


@contextmanager
def announced(url: str, path: Path = _ADDRESS) -> Iterator[None]:
    """Let runs of this checkout find a server of `iterpref ui`; of two, the later.

    Args:
        url: its address.
        path: the file that has it meanwhile.
    """
    path = (home() / path).resolve()
    shown = without_passwords(url)
    write_private(path, shown)
    try:
        yield
    finally:
        # A later one may have written its own address.
        if path.is_file() and path.read_text(encoding="utf-8") == shown:
            path.unlink()


def running_prefect() -> str | None:
    """Return the address of the Prefect server that is there: the named one, or else of `iterpref ui`.

    Raises:
        InputError: the server that is named does not answer, or refuses the key.
    """
    named, own = named_prefect(), _own_server()
    url = named or own
    if url is None:
        return None
    if url == own:
        os.environ.setdefault("PREFECT_API_AUTH_STRING", _own_password())
    if not (problem := problem_of(url)):
        return url
    if not named:
        return None
    raise InputError(
        f"the Prefect server at {without_passwords(named)}, which PREFECT_API_URL names, {problem}; or name none: "
        "unset PREFECT_API_URL (`prefect config view` shows where it is set). The address of Prefect's interface "
        "for programs ends in /api"
    )


def use_prefect(url: str) -> None:
    """Let flows of this process and of its children be shown on a Prefect server."""
    from prefect.context import refresh_global_settings_context

    os.environ["PREFECT_API_URL"] = url
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_S))
    refresh_global_settings_context()


def named_prefect() -> str | None:
    """Return the address that PREFECT_API_URL names, in the environment or in Prefect's profile or file of settings.

    Importing Prefect takes a second, so Prefect is asked only if any of the files exists.

    Raises:
        InputError: the settings are broken.
    """
    if url := os.environ.get("PREFECT_API_URL"):
        return url
    folder = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH", folder / "profiles.toml"))
    files = [path for path in (profiles, *map(Path, _SETTINGS_FILES)) if path.is_file()]
    if not files:
        return None
    try:
        from prefect.settings import get_current_settings

        return get_current_settings().api.url
    except ValueError as error:  # of TOML, or of a value
        reason = without_passwords(str(error).splitlines()[0])
        names = ", ".join(map(str, files))
        raise InputError(f"Prefect's settings cannot be read: {reason}; correct them in {names}") from None


def problem_of(url: str) -> str:
    """Ask a Prefect server with the user's key; return why it cannot be used, or an empty string."""
    from httpx import HTTPError, InvalidURL
    from prefect.client.orchestration import get_client
    from prefect.exceptions import PrefectHTTPStatusError
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    try:
        with (
            temporary_settings({PREFECT_API_URL: url, PREFECT_CLIENT_MAX_RETRIES: 0}),
            get_client(sync_client=True) as client,
        ):
            client.read_flows(limit=1)
    except PrefectHTTPStatusError as error:
        code = error.response.status_code
        remedy = "set PREFECT_API_KEY or PREFECT_API_AUTH_STRING" if code in (401, 403) else "look at its log"
        return f"answers {code}: {remedy}"
    except (HTTPError, InvalidURL, ValueError) as error:  # an address, an answer, or a setting of Prefect
        reason = without_passwords(" ".join(str(error).split())[:200])
        return f"does not answer as one ({reason}): start it, or correct the address or Prefect's settings"
    return ""
