"""Checks of the access to sources."""

from __future__ import annotations

from random import Random

from churnkit.connect import Env, HubSpot, check_sources
from tests.connect.servers.asgi import AsgiTransport
from tests.connect.servers.hubspot import HubSpotServer


def check(server, clock, source):
    transport = AsgiTransport(server, clock)
    (found,) = check_sources({"crm": source}, (), transport=transport, clock=clock, jitter=Random(0))  # fmt: skip  # noqa: S311
    return found


def test_an_access_that_works_has_no_problem(clock):
    assert check(HubSpotServer(clock), clock, HubSpot(key=Env("PROVIDER_KEY"))).problem is None


def test_a_refused_secret_is_told_what_it_must_allow(clock, monkeypatch):
    monkeypatch.setenv("OTHER_KEY", "wrong")
    problem = check(HubSpotServer(clock), clock, HubSpot(key=Env("OTHER_KEY"))).problem
    assert "401" in problem
    assert "crm.objects.*.read" in problem
    assert "wrong" not in problem
