"""The demo's request to its service."""

import json
import urllib.request
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from churnkit.contracts import Contract, Schema, entity
from churnkit.errors import ChurnkitError
from churnkit.pipeline.demo import _request_predictions


class Gym(Schema):
    """Members of a gym."""

    member: str = entity()


@pytest.mark.parametrize("fault", [TimeoutError, ConnectionResetError])
def test_a_service_that_does_not_answer_is_refused(monkeypatch, tmp_path, fault):
    def refuse(request, timeout):
        assert json.loads(request.data) == {"customers": [{"member": "a"}]}
        raise fault

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    pq.write_table(pa.table({"member": ["a"]}), tmp_path / "a.parquet")
    model: Any = SimpleNamespace(contract=Contract.from_schema(Gym))
    with pytest.raises(ChurnkitError, match="run the demo again when") as caught:
        _request_predictions("http://127.0.0.1:1", model, tmp_path / "a.parquet")
    assert fault.__name__ in str(caught.value)
