"""Settings of the sign-in by OpenID Connect, read from a TOML file."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from churnkit.connect.http.transport import check_url
from churnkit.console.roles import ROLES
from churnkit.errors import ChurnkitError

__all__ = ["SECRET_VARIABLE", "OpenIDSettings", "read_openid_settings"]

SECRET_VARIABLE: Final = "CHURNKIT_OIDC_SECRET"  # noqa: S105  (the name of a variable)
"""Environment variable with the client's secret; not set for a public client."""

_MOST_HOURS: Final = 24 * 7


@dataclass(frozen=True, slots=True)
class OpenIDSettings:
    """A client of an OpenID provider.

    Parameters
    ----------
    issuer
        URL of the provider, as its discovery document states it.
    client_id
        Id of this console at the provider.
    url
        Address of this console for its visitors; the provider sends them back to
        ``{url}/sign-in/openid/answer``.
    roles
        Role of the console by value of the claim; a visitor has the highest of them.
    roles_claim
        Claim with the visitor's groups or roles. If no claim has this name as a whole, such as
        ``https://example.com/roles``, dots lead into nested claims.
    name_claim
        Claim with the name that changes are recorded under.
    scopes
        Scopes of the request.
    session_hours
        Hours after which a visitor signs in again.
    client_secret
        Secret of the client; None for a public client.

    Raises
    ------
    ChurnkitError
        If a setting is invalid.
    """

    issuer: str
    client_id: str
    url: str
    roles: Mapping[str, str]
    roles_claim: str = "roles"
    name_claim: str = "email"
    scopes: str = "openid profile email"
    session_hours: float = 8.0
    client_secret: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        names = ("issuer", "client_id", "url", "roles_claim", "name_claim", "scopes")
        for name in names:
            if not isinstance(getattr(self, name), str) or not getattr(self, name).strip():
                raise ChurnkitError(f"OpenID settings: {name} must be text")
        for name in ("issuer", "url"):
            try:
                check_url(getattr(self, name))
            except ChurnkitError:
                raise ChurnkitError(f"OpenID settings: {name} must be an https URL") from None
        object.__setattr__(self, "url", self.url.rstrip("/"))
        if "openid" not in self.scopes.split():
            raise ChurnkitError("OpenID settings: scopes must contain openid")
        roles = self.roles
        # Compared with a tuple, as values of a file may be lists, which cannot be hashed.
        if (
            not isinstance(roles, Mapping)
            or not roles
            or any(r not in ROLES for r in roles.values())
        ):
            raise ChurnkitError(
                f"OpenID settings: roles must map values of the claim to {', '.join(ROLES)}"
            )
        hours = self.session_hours
        is_number = isinstance(hours, (int, float)) and not isinstance(hours, bool)
        if not is_number or not 0 < hours <= _MOST_HOURS:
            raise ChurnkitError(f"OpenID settings: session_hours must be 0 to {_MOST_HOURS}")

    @property
    def redirect_uri(self) -> str:
        """Address to which the provider sends visitors back."""
        return f"{self.url}/sign-in/openid/answer"

    @property
    def origin(self) -> str:
        """Origin of the console's pages, as browsers write it.

        Examples
        --------
        >>> OpenIDSettings("https://id.example.com", "console", "https://Churn.example.com:443/c",
        ...                {"success": "agent"}).origin
        'https://churn.example.com'
        """
        url = urlsplit(self.url)
        default = {"https": ":443", "http": ":80"}.get(url.scheme, "")
        return f"{url.scheme}://{url.netloc.lower().removesuffix(default)}"

    def role(self, claims: Mapping[str, Any]) -> str | None:
        """Return the highest role that the claims give; None for none.

        Examples
        --------
        >>> settings = OpenIDSettings(
        ...     "https://id.example.com", "console", "https://churn.example.com",
        ...     {"success": "agent", "heads": "manager"}, roles_claim="realm.groups",
        ... )
        >>> settings.role({"realm": {"groups": ["success", "heads", "all"]}})
        'manager'
        """
        value: Any = claims
        is_whole = self.roles_claim in claims
        for part in [self.roles_claim] if is_whole else self.roles_claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        values = value if isinstance(value, list) else [value]
        roles = [
            self.roles[each] for each in values if isinstance(each, str) and each in self.roles
        ]
        return max(roles, key=ROLES.index, default=None)


def read_openid_settings(path: str | os.PathLike[str]) -> OpenIDSettings:
    """Read the settings from a TOML file, and the secret from the environment.

    Parameters
    ----------
    path
        File with the fields of `OpenIDSettings`, except the secret.

    Returns
    -------
    OpenIDSettings

    Raises
    ------
    ChurnkitError
        If the file cannot be read, or a setting is missing, unknown or invalid.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ChurnkitError(f"{Path(path).name} is not a readable TOML file: {error}") from None
    names = [part.name for part in fields(OpenIDSettings) if part.name != "client_secret"]
    unknown = sorted(set(data) - set(names))
    missing = [name for name in ("issuer", "client_id", "url", "roles") if name not in data]
    if unknown or missing:
        text = f"unknown setting {unknown[0]}" if unknown else f"{', '.join(missing)} is missing"
        raise ChurnkitError(f"{Path(path).name}: {text}; the settings are {', '.join(names)}")
    return OpenIDSettings(**data, client_secret=os.environ.get(SECRET_VARIABLE) or None)
