"""Sign-in by OpenID Connect against a provider on this machine."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import threading
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from churnkit.console.openid.login import SignIns
from churnkit.console.openid.provider import OpenIDProvider
from churnkit.console.openid.settings import OpenIDSettings, read_openid_settings
from churnkit.errors import ChurnkitError

joserfc = pytest.importorskip("joserfc", reason="the extra 'oidc' is not installed")
pytest.importorskip("urllib3", reason="the extra 'oidc' is not installed")
pytest.importorskip("jinja2", reason="the extra 'console' is not installed")

CONSOLE = "http://127.0.0.1"
NOW = 1_800_000_000.0


class Provider:
    """An OpenID provider that signs in one person and remembers the requests."""

    def __init__(self):
        from joserfc.jwk import RSAKey

        self.key, self.kid = RSAKey.generate_key(2048), "k1"
        self.other_key = RSAKey.generate_key(2048)
        self.claims = {"email": "kim@example.org", "groups": ["success"], "sub": "u1"}
        self.changed = {}
        self.algorithm = "RS256"
        self.codes, self.token_requests, self.tokens = {}, [], []
        self.ends = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                provider.get(self)

            def do_POST(self):
                provider.post(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, request):
        path = urlsplit(request.path).path
        if path == "/.well-known/openid-configuration":
            reply(request, {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                **self.ends,
            })  # fmt: skip
        elif path == "/keys":
            public = self.key.as_dict(private=False) | {"kid": self.kid, "use": "sig"}
            reply(request, {"keys": [public]})

    def authorize(self, address):
        """Sign the person in, and return the query of the answer."""
        query = {name: value[0] for name, value in parse_qs(urlsplit(address).query).items()}
        assert query["response_type"] == "code"
        assert query["code_challenge_method"] == "S256"
        assert query["redirect_uri"] == f"{CONSOLE}/sign-in/openid/answer"
        code = f"code{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def post(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"])).decode()
        form = {name: value[0] for name, value in parse_qs(body).items()}
        self.token_requests.append((form, request.headers.get("Authorization")))
        query = self.codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if query is None or challenge != query["code_challenge"]:
            reply(request, {"error": "invalid_grant"}, 400)
            return
        claims = {
            "iss": self.issuer, "aud": "console", "iat": int(NOW), "exp": int(NOW) + 300,
            "nonce": query["nonce"], **self.claims, **self.changed,
        }  # fmt: skip
        claims = {name: value for name, value in claims.items() if value is not None}
        self.tokens.append(self.sign(claims))
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": self.tokens[-1]}
        reply(request, answer)

    def sign(self, claims):
        from joserfc import jwt

        header = {"alg": self.algorithm, "kid": self.kid}
        if self.algorithm in {"none", "HS256"}:  # unsigned, or the public key as a shared secret
            parts = [header, claims]
            texts = [base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=") for p in parts]
            secret = self.key.as_pem(private=False)
            digest = hmac.digest(secret, b".".join(texts), "sha256")
            signature = b"" if self.algorithm == "none" else base64.urlsafe_b64encode(digest)
            return b".".join([*texts, signature.rstrip(b"=")]).decode()
        key = self.other_key if self.algorithm == "RS512" else self.key
        return jwt.encode(header, claims, key, algorithms=[self.algorithm])


def reply(request, data, status=200):
    body = json.dumps(data).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


@pytest.fixture
def provider():
    started = Provider()
    yield started
    started.server.shutdown()
    started.server.server_close()


class Clock:
    now = NOW

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sign_ins(provider, clock):
    settings = OpenIDSettings(
        provider.issuer, "console", CONSOLE, {"success": "agent", "heads": "manager"},
        roles_claim="groups", client_secret="s&cret",  # noqa: S106
    )  # fmt: skip
    return SignIns(OpenIDProvider(settings, clock=clock), clock=clock)


@pytest.fixture
def browser(work, sign_ins):
    """A browser on a console whose visitors sign in at the provider."""
    opened, _ = work(sign_ins=sign_ins)
    return opened


def begin(browser):
    return browser.get("/sign-in/openid", follow_redirects=False).headers["location"]


def sign_in(browser, provider):
    return browser.get("/sign-in/openid/answer", params=provider.authorize(begin(browser)))


def test_a_visitor_signs_in_works_under_the_own_name_and_signs_out(browser, provider, send_form):
    page = browser.get("/")
    assert page.status_code == 401
    assert 'href="/sign-in/openid"' in page.text
    assert "API key" not in page.text
    done = sign_in(browser, provider)
    assert done.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/">' in done.text
    cookies = done.headers.get_list("set-cookie")
    session = next(one for one in cookies if one.startswith("churnkit_session="))
    assert "HttpOnly" in session
    assert "samesite=strict" in session.lower()
    assert "kim@example.org (agent)" in browser.get("/").text
    form, authorization = provider.token_requests[0]
    assert form["redirect_uri"] == f"{CONSOLE}/sign-in/openid/answer"
    secret = base64.b64decode(authorization.removeprefix("Basic ")).decode()
    assert secret == "console:s%26cret"  # noqa: S105
    assert "Bulk actions" not in browser.get("/").text
    send_form(browser, "/", "/sign-out")
    assert browser.get("/").status_code == 401


def test_a_sign_out_ends_the_session_at_the_provider_too(browser, provider, send_form):
    provider.ends = {"end_session_endpoint": f"{provider.issuer}/end?tenant=1"}
    sign_in(browser, provider)
    page = send_form(browser, "/", "/sign-out")
    assert page.status_code == 200
    (address,) = set(re.findall(r'(?:url=|href=")(http[^"]*/end[^"]*)"', page.text))
    query = parse_qs(urlsplit(unescape(address)).query)
    assert query == {
        "tenant": ["1"],
        "id_token_hint": provider.tokens,
        "client_id": ["console"],
        "post_logout_redirect_uri": [f"{CONSOLE}/"],
    }
    assert browser.get("/").status_code == 401


def test_a_sign_out_at_a_provider_without_an_endpoint_ends_the_session_here(
    browser, provider, send_form
):
    sign_in(browser, provider)
    answer = send_form(browser, "/", "/sign-out")
    assert "http-equiv" not in answer.text
    assert answer.status_code == browser.get("/").status_code == 401


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["all", "heads", "success"], "manager"), ("success", "agent"), (["all"], None), (None, None)],
)
def test_the_role_comes_from_the_claim_and_nobody_is_let_in_without(
    browser, provider, groups, role
):
    provider.claims["groups"] = groups
    answer = sign_in(browser, provider)
    assert answer.status_code == (403 if role is None else 200)
    if role is None:
        assert "no role for this console" in answer.text
        assert browser.get("/").status_code == 401
    else:
        assert f"({role})" in browser.get("/").text


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "other"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["console", "other"], "azp": "other"},
        {"iss": "https://evil.example"},
        {"exp": int(NOW) - 120},
        {"exp": None},
        {"iat": int(NOW) + 3_600},
        {"email": ""},
        {"email": 7},
        {"email": f"{'k' * 60}@example.org"},
        {"email_verified": False},
        {"email_verified": "false"},
        {"email_verified": 1},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(browser, provider, changed):
    provider.changed = changed
    assert sign_in(browser, provider).status_code == 403
    assert browser.get("/").status_code == 401


def test_an_address_verified_in_words_is_accepted(browser, provider):
    provider.changed = {"email_verified": "true"}
    assert sign_in(browser, provider).status_code == 200


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512"])
def test_a_token_without_a_signature_of_the_provider_is_refused(browser, provider, algorithm):
    provider.algorithm = algorithm
    answer = sign_in(browser, provider)
    assert answer.status_code == 403
    assert "not valid" in answer.text


def test_an_answer_counts_once_and_only_in_the_browser_that_began(
    browser, provider, work, sign_ins
):
    query = provider.authorize(begin(browser))
    other, _ = work(sign_ins=sign_ins)
    assert other.get("/sign-in/openid/answer", params=query).status_code == 403
    begin(other)
    assert other.get("/sign-in/openid/answer", params=query).status_code == 403
    assert other.get("/").status_code == 401
    wrong = query | {"state": "x" * 43}
    assert browser.get("/sign-in/openid/answer", params=wrong).status_code == 403
    assert provider.token_requests == []


def test_many_begun_sign_ins_neither_end_others_nor_are_kept(browser, provider, sign_ins):
    query = provider.authorize(begin(browser))
    states = {sign_ins.begin()[1] for _ in range(11_000)}
    assert len(states) == 11_000
    assert not sign_ins._finished
    assert browser.get("/sign-in/openid/answer", params=query).status_code == 200


def test_a_state_of_another_process_or_with_a_later_end_is_refused(sign_ins, provider, clock):
    _, state = sign_ins.begin()
    text, until, signature = state.split(".")
    other = SignIns(OpenIDProvider(sign_ins._provider.settings, clock=clock), clock=clock)
    later = f"{text}.{int(until) + 60}.{signature}"
    for forged in (other.begin()[1], later, f"{text}.{until}.", "ä.1.x", ".", ""):
        with pytest.raises(ChurnkitError, match="begun elsewhere"):
            sign_ins.finish(code="", state=forged, cookie=forged)
    with pytest.raises(ChurnkitError, match="has refused"):
        sign_ins.finish(code="", state=state, cookie=state)
    clock.now += 601
    _, state = sign_ins.begin()
    with pytest.raises(ChurnkitError, match="has refused"):
        sign_ins.finish(code="", state=state, cookie=state)
    assert list(sign_ins._finished) == [state]


def test_the_first_answer_ends_the_sign_in(browser, provider):
    query = provider.authorize(begin(browser))
    assert browser.get("/sign-in/openid/answer", params=query).status_code == 200
    assert browser.get("/sign-in/openid/answer", params=query).status_code == 403
    assert len(provider.token_requests) == 1


def test_sign_ins_and_sessions_expire(browser, provider, clock):
    query = provider.authorize(begin(browser))
    clock.now += 601
    assert browser.get("/sign-in/openid/answer", params=query).status_code == 403
    clock.now = NOW
    sign_in(browser, provider)
    clock.now += 8 * 3_600 - 1
    assert browser.get("/").status_code == 200
    clock.now += 2
    assert browser.get("/").status_code == 401


def test_a_new_key_of_the_provider_is_fetched(browser, provider, clock):
    sign_in(browser, provider)
    provider.key, provider.kid = provider.other_key, "k2"
    clock.now += 120
    provider.changed = {"iat": int(clock.now), "exp": int(clock.now) + 300}
    assert sign_in(browser, provider).status_code == 200


def test_a_refusal_and_a_silent_provider_end_in_a_message(browser, provider, clock):
    state = provider.authorize(begin(browser))["state"]
    answer = browser.get(
        "/sign-in/openid/answer", params={"error": "<script>x</script>", "state": state}
    )
    assert answer.status_code == 403
    assert "<script>" not in answer.text
    settings = OpenIDSettings("http://127.0.0.1:9", "console", CONSOLE, {"a": "agent"})
    silent = SignIns(OpenIDProvider(settings, clock=clock), clock=clock)
    with pytest.raises(ChurnkitError, match="does not answer"):
        silent.begin()


def test_a_discovery_document_of_another_issuer_is_refused(provider, clock):
    settings = OpenIDSettings(f"{provider.issuer}/", "console", CONSOLE, {"a": "agent"})
    with pytest.raises(ChurnkitError, match="another issuer"):
        OpenIDProvider(settings, clock=clock).authorization_url(state="", nonce="", challenge="")


@pytest.mark.parametrize(
    ("origin", "is_accepted"),
    [
        ("https://churn.example.org", True),
        (CONSOLE, True),
        ("https://other.example.org", False),
        ("http://churn.example.org", False),
    ],
)
def test_forms_and_cookies_are_those_of_the_url_behind_a_gateway_with_tls(
    work, provider, clock, origin, is_accepted
):
    settings = OpenIDSettings(
        provider.issuer, "console", "https://churn.example.org:443/", {"a": "agent"}
    )
    browser, _ = work(sign_ins=SignIns(OpenIDProvider(settings, clock=clock), clock=clock))
    page = browser.get("/")  # the gateway passes it on without encryption
    (cookie,) = page.headers.get_list("set-cookie")
    assert "; Secure" in cookie
    pair = cookie.partition(";")[0]
    answer = browser.post(
        "/sign-in",
        data={"token": pair.partition("=")[2], "key": "x"},
        headers={"Origin": origin, "Cookie": pair},
    )
    assert ("Unknown API key" in answer.text) == is_accepted
    assert ("comes from another site" in answer.text) != is_accepted


TOML = """
issuer = "https://id.example.org"
client_id = "console"
url = "https://churn.example.org/"
roles_claim = "groups"
[roles]
success = "agent"
"""


def test_settings_are_read_with_the_secret_from_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "oidc.toml"
    path.write_text(TOML)
    monkeypatch.setenv("CHURNKIT_OIDC_SECRET", "hidden")
    settings = read_openid_settings(path)
    assert settings.redirect_uri == "https://churn.example.org/sign-in/openid/answer"
    assert settings.client_secret == "hidden"  # noqa: S105
    assert "hidden" not in repr(settings)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("client_id", "client", "unknown setting client"),
        ('client_id = "console"', "", "client_id is missing"),
        ("https://id", "http://id", "issuer must be an https URL"),
        ('"agent"', '"owner"', "roles must map"),
        ('"agent"', '["agent"]', "roles must map"),
        ("roles_claim", 'session_hours = "8"\nroles_claim', "session_hours must be"),
        ("roles_claim", 'scopes = "email"\nroles_claim', "scopes must contain openid"),
        ("issuer =", "issuer", "not a readable TOML file"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, before, after, message):
    path = tmp_path / "oidc.toml"
    path.write_text(TOML.replace(before, after, 1))
    with pytest.raises(ChurnkitError, match=message):
        read_openid_settings(path)


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"https://acme.example/roles": ["success"]}, "agent"),
        ({"https://acme": {"example/roles": "heads"}}, "manager"),
        ({"https://acme.example/roles": [], "https://acme": {"example/roles": "heads"}}, None),
    ],
)
def test_a_claim_with_the_whole_name_counts_before_nested_claims(claims, role):
    settings = OpenIDSettings(
        "https://id.example.org", "console", "https://churn.example.org",
        {"success": "agent", "heads": "manager"}, roles_claim="https://acme.example/roles",
    )  # fmt: skip
    assert settings.role(claims) == role
