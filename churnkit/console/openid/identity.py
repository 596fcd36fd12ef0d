"""A visitor whom an OpenID provider has signed in."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A visitor.

    Parameters
    ----------
    name, role
        Name and role, from the claims of the provider.
    until
        End of the session, in seconds since 1970.
    id_token
        Token of the sign-in, which names the session to the provider when it ends.
    """

    name: str
    role: str
    until: float
    id_token: str = field(default="", repr=False)
