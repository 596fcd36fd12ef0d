import json
import logging

import pytest

from churnkit.errors import ChurnkitError
from churnkit.server.observability.json_logs import configure_logging


@pytest.fixture
def logger():
    found = logging.getLogger("churnkit.server")
    before = found.handlers[:], found.level, found.propagate
    yield found
    found.handlers[:], level, found.propagate = before
    found.setLevel(level)


def test_each_line_is_a_json_object(logger, capsys):
    configure_logging("json")
    logger.info("version %s answers\nfrom now on", "abc")
    logger.debug("not told")
    [line] = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told["message"] == "version abc answers\nfrom now on"
    assert (told["level"], told["logger"]) == ("info", "churnkit.server")
    assert told["time"].endswith("+00:00")


def test_a_program_around_keeps_its_own_logging(logger):
    before = logger.handlers[:]
    configure_logging(None)
    assert logger.handlers == before
    with pytest.raises(ChurnkitError, match="json or text"):
        configure_logging("xml")
