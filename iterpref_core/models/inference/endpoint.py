"""Find the address, the key, the proxy and the certificates of a server."""

import ipaddress
import os
import ssl
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import getproxies_environment, proxy_bypass

import httpx2

from iterpref_core.records import KEY_VARIABLE, ConfigError, InferenceParams


def endpoint_url(inference: InferenceParams) -> str:
    """Return the URL of an endpoint. It holds no secret: the check of the parameters refuses one.

    Raises:
        ConfigError: the parameter is absent, or no URL.
    """
    try:
        parts = urlsplit(inference.base_url or "")
        # Reading the port raises an error where it is none, such as 99999.
        is_url = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise ConfigError(
            f"inference.base_url: backend {inference.backend} needs the URL of an endpoint, such as "
            f"https://api.openai.com/v1 (got {inference.base_url!r})"
        )
    # Pages of servers show the address of a call, which the client makes of the base URL.
    path = parts.path.rstrip("/").removesuffix("/completions").removesuffix("/chat")
    return parts._replace(path=path).geturl()


def address_and_query(base_url: str) -> tuple[str, dict[str, str]]:
    """Return the address of a server and the query parameters that go with each call.

    >>> address_and_query("https://host/openai?api-version=2024-10-21")
    ('https://host/openai', {'api-version': '2024-10-21'})
    """
    parts = urlsplit(base_url)
    return parts._replace(query="").geturl().rstrip("/"), dict(parse_qsl(parts.query))


def read_key(base_url: str) -> str:
    """Return the key from the environment; a server on this machine needs none.

    Raises:
        ConfigError: the key is absent, or is not a valid header. The message does not show it.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key and is_loopback(base_url):
        return "none"
    if not (key and key.isascii() and key.isprintable()):
        raise ConfigError(f"{base_url}: needs a key, and nothing else, in the environment variable {KEY_VARIABLE}")
    return key


def is_loopback(base_url: str) -> bool:
    """Return True if a server is on this machine."""
    host = urlsplit(base_url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    # "http://0.0.0.0:8000", as servers print it, leads to this machine.
    return address.is_loopback or address.is_unspecified


def connection_options(base_url: str) -> dict[str, Any]:
    """Return the options of an HTTP client: the proxy and the certificates that the environment names for a server.

    Raises:
        ConfigError: the proxy or the file of certificates cannot be used.
    """
    return {
        "follow_redirects": False,  # prompts go to the place that was named, and to no other
        "trust_env": False,  # the library would also refuse a proxy of other hosts
        "proxy": _proxy(base_url),
        "verify": _certificates(base_url),
    }


def _proxy(base_url: str) -> str | None:
    """Return the proxy for a server, or None, also if `NO_PROXY` names the server's host.

    Raises:
        ConfigError: the proxy is of a kind that cannot be used.
    """
    parts = urlsplit(base_url)
    if is_loopback(base_url) or proxy_bypass(parts.netloc):
        return None  # a proxy does not lead to this machine
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    try:
        httpx2.HTTPTransport(proxy=proxy)
    except (ValueError, ImportError) as error:  # another kind of proxy, or a package that it needs is absent
        raise ConfigError(
            f"{base_url}: the proxy of the environment cannot be used ({error}); name another one in "
            f"{parts.scheme.upper()}_PROXY, or the server's host in NO_PROXY"
        ) from None
    return proxy


def _certificates(base_url: str) -> ssl.SSLContext:
    """Return the certificates that are trusted: `SSL_CERT_FILE` and `SSL_CERT_DIR`, or the usual ones.

    Raises:
        ConfigError: the file or folder cannot be used.
    """
    if urlsplit(base_url).scheme == "http":
        # A connection without TLS shows no certificate, and reading the trusted ones takes each client a while.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        return httpx2.create_ssl_context()
    except OSError as error:
        raise ConfigError(
            f"SSL_CERT_FILE={os.environ.get('SSL_CERT_FILE')}: no certificates ({error}); correct it"
        ) from None
