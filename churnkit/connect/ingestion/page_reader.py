"""Read the pages of an endpoint, from any token; run the endpoint's job first if it has one."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from churnkit.connect.description.body_formats import parse_body
from churnkit.connect.description.paging import NextLink
from churnkit.connect.description.row_paths import rows_at, value_at
from churnkit.connect.http.client import StatusError
from churnkit.connect.ingestion.templates import fill, fill_params
from churnkit.core.time import to_microseconds
from churnkit.errors import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from churnkit.connect.description.provider import Endpoint, Fields
    from churnkit.connect.http.client import Client
    from churnkit.connect.http.transport import Response

__all__ = ["ExpiredTokenError", "Page", "read_fields", "read_pages", "run_job"]

_EXPIRED = {400, 404, 410, 422}
_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS, _POLLS = 2.0, 30.0, 2000
# Longer than this, servers and proxies refuse a URL.
_LONGEST_QUERY = 15_000


class ExpiredTokenError(Exception):
    """The provider no longer accepts the token of a page, or the id of a job."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of a page, and how to continue.

    Parameters
    ----------
    rows
        Rows.
    following
        Token of the next page; None after the last.
    served_at
        Time of the server in microseconds since 1970; None without a ``Date`` header.
    """

    rows: list[dict[str, Any]]
    following: Any
    served_at: int | None


def read_pages(
    client: Client, endpoint: Endpoint, values: Mapping[str, Any], token: Any
) -> Iterator[Page]:
    """Read pages from a token to the last page.

    Parameters
    ----------
    client
        Client of the provider.
    endpoint
        Endpoint to read.
    values
        Values of the templates.
    token
        Token of the first page to read; None for the first page.

    Yields
    ------
    Page
        Rows and the next token.

    Raises
    ------
    ExpiredTokenError
        If the provider rejects a token that it issued.
    """
    issued = token is not None
    token = token if issued else endpoint.paging.first
    while True:
        try:
            response = _request(client, endpoint, {**values, "token": token}, token)
        except StatusError as error:
            if error.status in endpoint.empty:
                yield Page([], None, None)
                return
            if error.status in _EXPIRED and (issued or "job" in values):
                raise ExpiredTokenError from error
            raise
        body = parse_body(response.body, endpoint.format, f"{client.provider}: {endpoint.path}")
        raw = value_at(body, endpoint.rows)
        if not isinstance(raw, list):
            raise ConnectError(
                f"{client.provider}: the answer of {endpoint.path} has no list '{endpoint.rows}': "
                "check base_url and the version of the interface"
            )
        following = endpoint.paging.next(token, body, response.headers, raw)
        if endpoint.names:
            body = [dict(zip(endpoint.names, row, strict=True)) for row in raw]
            rows = rows_at(body, "")
        else:
            rows = rows_at(body, endpoint.rows, endpoint.item, endpoint.explode)
        if endpoint.only is not None:
            path, selected = endpoint.only
            rows = [row for row in rows if value_at(row, path) == selected]
        yield Page(rows, following, _served_at(response))
        if following is None:
            return
        token, issued = following, True


def _request(client: Client, endpoint: Endpoint, values: Mapping[str, Any], token: Any) -> Response:
    if isinstance(endpoint.paging, NextLink) and token is not None:
        return client.send(endpoint.method, token)
    is_first = token is None or token == endpoint.paging.first
    template = endpoint.params if is_first else endpoint.next_params or endpoint.params
    params = fill_params(template, values)
    if sum(len(name) + len(value) + 2 for name, value in params) > _LONGEST_QUERY:
        raise ConnectError(
            f"{client.provider}: {endpoint.path} has too many fields for one request: select them "
            "with fields={'STREAM': ('field', ...)} in sources.py"
        )
    body = None if endpoint.body is None else fill(endpoint.body, values)
    return client.send(endpoint.method, fill(endpoint.path, values), params=params, json_body=body)


def _served_at(response: Response) -> int | None:
    try:
        return to_microseconds(parsedate_to_datetime(response.headers.get("date", "")))
    except (TypeError, ValueError):
        return None


def run_job(
    client: Client, endpoint: Endpoint, values: Mapping[str, Any], job: str | None, save: Any
) -> str:
    """Create the endpoint's job unless there is one, and wait until it is done.

    Parameters
    ----------
    client, endpoint, values
        As in `read_pages`.
    job
        Id of a job that an earlier run created; None to create one.
    save
        Called with the id of a created job, before it is polled.

    Returns
    -------
    str
        Value of ``{job}`` for the results.

    Raises
    ------
    ConnectError
        If the job fails or does not end.
    ExpiredTokenError
        If the provider no longer has the job.
    """
    description = endpoint.job
    if description is None:
        return ""
    name = f"{client.provider}: {description.path}"
    if job is None:
        body = fill(description.body, values)
        # A lost answer may leave an unused job at the provider.
        response = client.send("POST", fill(description.path, values), json_body=body)
        job = str(value_at(parse_body(response.body, "json", name), description.id))
        save(job)
    wait = _FIRST_POLL_SECONDS
    for _ in range(_POLLS):
        try:
            response = client.send("GET", fill(description.poll, {**values, "job": job}))
        except StatusError as error:
            if error.status in _EXPIRED:
                raise ExpiredTokenError from error
            raise
        answer = parse_body(response.body, "json", name)
        state = value_at(answer, description.state)
        if state in description.done:
            return str(value_at(answer, description.file)) if description.file else job
        if state in description.failed:
            raise ExpiredTokenError
        client.clock.sleep(wait)
        wait = min(wait * 1.5, _LONGEST_POLL_SECONDS)
    raise ConnectError(f"{name}: the export does not end: run the command again; it continues")


def read_fields(client: Client, fields: Fields) -> dict[str, str]:
    """Return the kinds of the described fields by name.

    Parameters
    ----------
    client
        Client of the provider.
    fields
        Description of the endpoint.
    """
    response = client.send("GET", fields.path)
    body = parse_body(response.body, "json", f"{client.provider}: {fields.path}")
    kinds: dict[str, str] = {}
    for row in rows_at(body, fields.rows):
        kind = value_at(row, fields.type)
        if kind not in fields.skip:
            kinds[str(value_at(row, fields.name))] = fields.kinds.get(kind, "text")
    return kinds
