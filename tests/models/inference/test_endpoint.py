"""How a server is reached: by the proxy and the certificates that the environment names, if they are for the server."""

import ssl
import subprocess
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import certifi
import pytest
from aiohttp import web

from iterpref_core.models.inference.endpoint import connection_options, is_loopback
from iterpref_core.records import ConfigError, InputError
from tests.mock_endpoint import serve
from tests.models.inference.endpoints import Scripted, one, opened, reply

ELSEWHERE = "https://models.example.org/v1"


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_a_server_on_this_machine_is_asked_past_a_proxy_of_any_kind(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    with serve(Scripted()) as url:
        assert one(opened(url)).text == "a prompt with 3"


def test_a_proxy_is_not_used_for_a_host_that_is_excepted(monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "localhost,models.example.org")
    assert connection_options(ELSEWHERE)["proxy"] is None


def test_a_proxy_that_cannot_be_used_is_told_before_anything_is_done(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-1")
    monkeypatch.setenv("ALL_PROXY", "socks://127.0.0.1:1")
    with pytest.raises(ConfigError, match=r"cannot be used .*socks.*; name another one in HTTPS_PROXY"):
        opened(ELSEWHERE)


@pytest.mark.parametrize("value", ["http://proxy:3128", "proxy:3128"])
def test_a_proxy_is_used_for_a_server_elsewhere(monkeypatch, value):
    monkeypatch.setenv("HTTPS_PROXY", value)
    assert connection_options(ELSEWHERE)["proxy"] == "http://proxy:3128"
    assert connection_options("http://models.example.org/v1")["proxy"] is None


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "localhost", "[::1]", "[::]"])
def test_an_address_of_this_machine_is_known(host):
    assert is_loopback(f"http://{host}:8000/v1")


def test_certificates_that_are_absent_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    with pytest.raises(ConfigError, match=r"SSL_CERT_FILE=.*none\.pem.*correct it"):
        opened("https://127.0.0.1:1/v1")


def test_certificates_of_the_users_own_are_trusted_on_this_machine_and_read_for_tls_alone(monkeypatch):
    for scheme, file in (("https", certifi.where()), ("http", "none.pem")):
        monkeypatch.setenv("SSL_CERT_FILE", file)
        trusted = connection_options(f"{scheme}://127.0.0.1:1/v1")["verify"].get_ca_certs()
        assert bool(trusted) == (scheme == "https")


@pytest.mark.parametrize("path", ["", "/", "/chat/completions", "/completions?api-version=2024-10-21"])
def test_the_address_of_a_call_is_a_base_url_and_the_version_of_an_api_goes_with_each_call(path):
    asked = []

    def respond(request):
        asked.append((request.path, request.query_string))
        return web.json_response(reply("x"))

    with serve(Scripted(respond)) as url:
        assert one(opened(f"{url}{path}")).text == "x"
    assert asked == [("/v1/chat/completions", path.partition("?")[2])]


def test_a_redirect_names_the_new_place_and_is_not_followed(ask):
    moved = web.Response(status=301, headers={"location": "https://elsewhere.org/v1"})
    with pytest.raises(InputError, match=r"301 redirects to https://elsewhere\.org/v1.*inference\.base_url"):
        one(ask(Scripted(lambda _: moved)))


def test_a_certificate_that_nobody_trusts_is_told_at_once(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ConfigError, match=r"CERTIFICATE_VERIFY_FAILED.*SSL_CERT_FILE"):
            one(opened(f"https://127.0.0.1:{server.server_port}/v1"))
        server.shutdown()
