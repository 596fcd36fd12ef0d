"""A key belongs to one request, at every worker."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from churnkit.server import create_app
from churnkit.server.http import idempotency
from churnkit.server.http.idempotency import IdempotentReplies, idempotent_request
from churnkit.server.http.problem_details import Problem
from churnkit.server.http.route import Reply


def request(key, body):
    return idempotent_request({b"idempotency-key": key}, "client", body)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from([b"a", b"b"]), st.sampled_from([b"1", b"2"])),
        max_size=30,
    )
)
def test_any_worker_answers_a_key_as_the_first_did(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("replies")
    workers = [IdempotentReplies(folder) for _ in range(3)]
    first: dict[bytes, bytes] = {}
    for worker, key, body in steps:
        asked = request(key, body)
        if key not in first:
            assert workers[worker].begin(asked) is None
            workers[worker].end(asked, Reply(b"reply to " + body))
            first[key] = body
        elif first[key] == body:
            assert workers[worker].begin(asked) == b"reply to " + body
        else:
            with pytest.raises(Problem) as refused:
                workers[worker].begin(asked)
            assert refused.value.status == 422
    for worker in workers:
        worker.close()


@pytest.fixture
def closing_replies():
    opened: list[IdempotentReplies] = []

    def replies(folder=None):
        opened.append(IdempotentReplies(folder))
        return opened[-1]

    yield replies
    for each in opened:
        each.close()


def test_a_request_under_way_in_another_worker_is_waited_for(
    tmp_path, monkeypatch, closing_replies
):
    one, two = closing_replies(tmp_path), closing_replies(tmp_path)
    asked = request(b"k", b"1")
    assert one.begin(asked) is None
    with pytest.raises(Problem) as refused:
        two.begin(asked)
    assert refused.value.status == 409
    # A worker that was killed never ends its request.
    monkeypatch.setattr(idempotency, "_ABANDONED_SECONDS", -1.0)
    assert two.begin(asked) is None
    two.end(asked, None)
    assert one.begin(asked) is None


def test_ids_depend_on_key_and_body():
    ids = {request(key, body).ids for key in (b"k", b"l") for body in (b"1", b"2")}
    assert len(ids) == 4
    assert request(b"k", b"1").ids == request(b"k", b"1").ids


def test_old_replies_and_replies_beyond_the_limits_are_dropped(monkeypatch, closing_replies):
    monkeypatch.setattr(idempotency, "_PRUNED_EVERY", 1)
    monkeypatch.setattr(idempotency, "_MAX_REPLIES", 3)
    monkeypatch.setattr(idempotency, "_MAX_BYTES", 250)
    replies = closing_replies()
    for number in range(5):
        asked = request(b"%d" % number, b"")
        replies.begin(asked)
        replies.end(asked, Reply(b"x" * 100))
    [(kept, size)] = replies._database.execute("SELECT count(*), sum(length(reply)) FROM replies")
    assert (kept, size) == (2, 200)
    monkeypatch.setattr(idempotency, "_KEPT_SECONDS", -1.0)
    assert replies.begin(request(b"4", b"other")) is None


def test_replies_that_name_an_erased_customer_are_deleted(tmp_path):
    replies = IdempotentReplies(tmp_path)
    for key, body in ((b"k", b'{"member_id":"ann \\"a\\""}'), (b"l", b'{"member_id":"bob"}')):
        asked = request(key, b"")
        replies.begin(asked)
        replies.end(asked, Reply(body))
    assert replies.erase(['ann "a"', "carl"]) == 1
    replies.close()
    stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"ann" not in stored
    assert b"bob" in stored


def test_two_applications_of_one_service_share_replies(live, member):
    body = {"customers": [member(1, decide=True)]}
    other = {"customers": [member(2, decide=True)]}
    key = {"idempotency-key": "shared"}

    async def first(client):
        return await client.post("/v1/recommend", json=body, headers=key)

    async def second(client):
        again = await client.post("/v1/recommend", json=body, headers=key)
        return again, await client.post("/v1/recommend", json=other, headers=key)

    answer = live(first)
    again, refused = live(second)
    assert again.content == answer.content
    assert again.headers["idempotent-replayed"] == "true"
    assert refused.status_code == 422


def test_without_a_journal_replies_are_kept_in_memory(ask, member, model):
    app = create_app(model)
    headers = {"content-type": "application/json", "idempotency-key": "k"}
    body = {"customers": [member(1, decide=True)]}
    first, again = (ask("/v1/recommend", body, headers=headers, to=app) for _ in range(2))
    app.state.replies.close()
    assert first.content == again.content
