"""Client of one provider: rates, retries with jitter, and one refresh of an expired token."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from churnkit.connect.http.auth import Session
from churnkit.connect.http.rate_limit import TokenBucket, check_quota, retry_after
from churnkit.connect.http.transport import Request, TransportError, check_url
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from random import Random

    from churnkit.connect.http.auth import Auth
    from churnkit.connect.http.clock import Clock
    from churnkit.connect.http.rate_limit import RatePolicy
    from churnkit.connect.http.transport import Response, Transport

__all__ = ["Client", "StatusError", "error_code"]

_ATTEMPTS = 9
_LONGEST_SECONDS = 60.0
# Longer waits than this are a daily quota: the run stops and continues later.
_LONGEST_RESET_SECONDS = 900.0
_TRANSIENT = {408, 425, 500, 502, 503, 504, 520, 522, 524}
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{2,60}")


class StatusError(ConnectError):
    """The provider rejects a request.

    Parameters
    ----------
    provider, path
        Names of the provider and of the endpoint.
    status
        Status code.
    code
        Error code of the provider; None without one.
    """

    def __init__(self, provider: str, path: str, status: int, code: str | None) -> None:
        self.status = status
        self.code = code
        hint = {
            401: "check the secret and its scopes",
            403: "the secret lacks a scope for it",
            404: "check base_url and the account",
        }.get(status, "see the provider's documentation of this endpoint")
        answer = f"{status} {code}" if code else f"{status}"
        super().__init__(f"{provider}: {path} was rejected ({answer}): {hint}")


class Client:
    """HTTP client of one provider.

    Parameters
    ----------
    provider
        Name for messages.
    base_url
        URL that all paths start with; https, or on this machine.
    auth, secret
        Kind of authentication, and the function that resolves a secret by its name.
    rate
        Rate limit.
    transport, clock
        Connection and clock.
    jitter
        Random numbers that spread retries.
    headers
        Headers of every request.
    settings
        Settings of the authentication that are not secret, such as the user.
    quota_share
        Share of the daily quota that may be used; the rest is left to other programs.
    hides_paths
        Whether paths are secret and left out of messages.
    """

    def __init__(
        self,
        provider: str,
        base_url: str,
        *,
        auth: Auth,
        secret: Callable[[str], str],
        rate: RatePolicy,
        transport: Transport,
        clock: Clock,
        jitter: Random,
        headers: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
        quota_share: float = 0.8,
        hides_paths: bool = False,
    ) -> None:
        self.provider = provider
        self.base_url: str = check_url(base_url)
        self.clock = clock
        self.requests: int = 0
        self._auth = auth
        self._session = Session(secret, self.base_url, settings=dict(settings or {}))
        self._bucket = TokenBucket(rate, clock)
        self._transport = transport
        self._jitter = jitter
        self._headers = dict(headers or {})
        self._share = quota_share
        self._hides_paths = hides_paths

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Sequence[tuple[str, str]] = (),
        json_body: Any = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> Response:
        """Send a request until it is answered.

        Parameters
        ----------
        method, path
            Method and path, or an absolute URL of the same server.
        params
            Query parameters.
        json_body, body
            Body as JSON-able data or as bytes.
        headers
            Further headers.
        repeatable
            Whether the request may be sent again when no complete response arrived.

        Returns
        -------
        Response
            A response with a status below 300.

        Raises
        ------
        StatusError
            If the request is rejected.
        ConnectError
            If no attempt is answered.
        QuotaError
            If the share of the daily quota is used.
        """
        merged = {**self._headers, **(headers or {})}
        if json_body is not None:
            body = json.dumps(json_body).encode()
            merged["Content-Type"] = "application/json"
        request = Request(method, self._url(path), tuple(params), merged, body)
        label = method if self._hides_paths else f"{method} {path.partition('?')[0]}"
        refreshed = False
        for attempt in range(_ATTEMPTS):
            response = self._attempt(request)
            # A server or a gateway that fails may have done the work.
            is_uncertain = response is None or response.status in _TRANSIENT
            if is_uncertain and not repeatable:
                raise ConnectError(
                    f"{self.provider}: no complete response to {label}, which cannot be sent "
                    "twice without risk: check its effect at the provider"
                )
            if response is None:
                self._wait(attempt, None)
                continue
            if response.status < 300:
                self._bucket.increase()
                check_quota(response.headers, self._bucket.policy, self._share, self.provider)
                return response
            code = error_code(response.body)
            if response.status == 401 and not refreshed:
                refreshed = True
                if self._auth.refresh(self._session):
                    continue
            if response.status == 429 or code in self._bucket.policy.limited:
                self._bucket.decrease()
                self._wait(attempt, response)
            elif response.status in _TRANSIENT:
                self._wait(attempt, response)
            else:
                raise StatusError(self.provider, label, response.status, code)
        raise ConnectError(
            f"{self.provider}: {label} failed {_ATTEMPTS} times: try again later; the run "
            "continues where it stopped"
        )

    def _attempt(self, request: Request) -> Response | None:
        self._bucket.acquire()
        self.requests += 1
        try:
            headers = self._auth.headers(self._session, self._transport.send)
            return self._transport.send(request.with_headers(headers))
        except TransportError:
            return None

    def _wait(self, attempt: int, response: Response | None) -> None:
        """Wait as long as the response asks, else exponentially, with jitter."""
        seconds = None
        if response is not None:
            seconds = retry_after(response.headers, self._bucket.policy, self.clock.now())
        if seconds is not None:
            if seconds > _LONGEST_RESET_SECONDS:
                raise ConnectError(
                    f"{self.provider}: the provider asks to wait {seconds / 60:,.0f} minutes: run "
                    "the command again then; it continues where it stopped"
                )
            self.clock.sleep(seconds + self._jitter.uniform(0.0, 0.5))
        else:
            longest = min(_LONGEST_SECONDS, 0.5 * 2.0**attempt)
            self.clock.sleep(self._jitter.uniform(longest / 2.0, longest))

    def _url(self, path: str) -> str:
        if "://" not in path:
            return f"{self._session.base_url}{path}"
        if not path.startswith(f"{self._session.base_url}/"):
            raise ConnectError(f"{self.provider}: a link of the provider leads to another server")
        return path


def error_code(body: bytes) -> str | None:
    """Return the error code of a response, which holds no customer's value; None without one.

    Examples
    --------
    >>> error_code(b'[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "of ann@example.com"}]')
    'REQUEST_LIMIT_EXCEEDED'
    """
    try:
        data = json.loads(body)
    except ValueError:
        return None
    for _ in range(3):
        if isinstance(data, list):
            data = data[0] if data else None
        if not isinstance(data, dict):
            break
        for name in (
            "errorCode",
            "code",
            "errorType",
            "category",
            "error",
            "type",
            "api_error_code",
        ):
            value = data.get(name)
            if (
                isinstance(value, str)
                and value not in {"error", "error.list"}
                and _CODE.fullmatch(value)
            ):
                return value
        data = data.get("error", data.get("errors"))
    return None
