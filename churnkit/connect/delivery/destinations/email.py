"""E-mail: one message per action to the team that carries it out."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING

from churnkit.connect.delivery.destinations.webhook import fill_text
from churnkit.connect.delivery.messages import Receipt, check_secret
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from churnkit.connect.delivery.messages import Link, Message
    from churnkit.connect.secrets import Secret

__all__ = ["Email"]

_TIMEOUT_SECONDS = 30.0
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, slots=True)
class Email:
    """E-mails by SMTP with TLS; an interrupted one may arrive twice.

    Parameters
    ----------
    host, port
        SMTP server. Without TLS only on this machine.
    sender, recipients
        Addresses.
    user, password
        Login; None for none.
    subject, text
        Texts; ``{name}`` is a column.
    batch
        Messages in one connection.

    Examples
    --------
    >>> Email("localhost", 25, sender="a@example.com", recipients=("b@example.com",)).repeatable
    False
    """

    host: str
    port: int = 587
    sender: str = ""
    recipients: tuple[str, ...] = ()
    user: str | None = None
    password: Secret | None = None
    subject: str = "{action} for customer {customer}"
    text: str = "Action: {action}\nCustomer: {customer}\n"
    batch: int = 1

    def __post_init__(self) -> None:
        if self.password is not None:
            check_secret("Email", "password", self.password)
        if not self.sender or not self.recipients:
            raise ConnectError("Email: pass sender='...' and recipients=('...',)")

    @property
    def repeatable(self) -> bool:
        """Mailboxes show a repeated message."""
        return False

    @property
    def undoable(self) -> bool:
        """Messages stay."""
        return False

    def open(self, name: str, link: Link) -> _Mailer:
        """Open the destination."""
        del link
        return _Mailer(name, self)


class _Mailer:
    def __init__(self, name: str, settings: Email) -> None:
        self._name, self._settings = name, settings
        self._password = None if settings.password is None else settings.password.resolve()

    def send(self, messages: Sequence[Message]) -> list[Receipt]:
        """Send an e-mail for each action."""
        receipts: list[Receipt] = []
        try:
            with self._connect() as server:
                receipts += [self._send(server, message) for message in messages]
        except (smtplib.SMTPException, OSError) as error:
            raise ConnectError(
                f"{self._name}: the mail server {self._settings.host} failed "
                f"({type(error).__name__}): check it, and push again with --resume"
            ) from None
        return receipts

    def undo(self, messages: Sequence[Message]) -> list[Receipt]:
        """Refuse."""
        raise ConnectError(f"{self._name}: {len(messages)} e-mails cannot be undone")

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        server = smtplib.SMTP(settings.host, settings.port, timeout=_TIMEOUT_SECONDS)
        if settings.host not in _LOOPBACK:
            server.starttls(context=ssl.create_default_context())
        if settings.user is not None and self._password is not None:
            server.login(settings.user, self._password)
        return server

    def _send(self, server: smtplib.SMTP, message: Message) -> Receipt:
        settings = self._settings
        mail = EmailMessage()
        # A header must be one line, also if a column has several.
        mail["Subject"] = " ".join(fill_text(settings.subject, message).split())[:200]
        mail["From"] = settings.sender
        mail["To"] = ", ".join(settings.recipients)
        mail["Message-ID"] = f"<{message.decision}@churnkit.invalid>"
        mail.set_content(fill_text(settings.text, message))
        try:
            server.send_message(mail)
        except smtplib.SMTPResponseException as error:
            return Receipt(message.decision, f"SMTP_{error.smtp_code}")
        except smtplib.SMTPRecipientsRefused:
            return Receipt(message.decision, "RECIPIENTS_REFUSED")
        return Receipt(message.decision)
