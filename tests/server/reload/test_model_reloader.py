import asyncio
import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest

from churnkit.bundle.contents import ModelContents
from churnkit.bundle.format.signing import make_keys, sign
from churnkit.bundle.model import RetentionModel
from churnkit.contracts import Column, Contract
from churnkit.errors import BundleError
from churnkit.models.scorers.additive import LinearScorer
from churnkit.server import create_app
from churnkit.server.reload.model_reloader import ModelReloader, validate_replacement
from churnkit.server.reload.model_sources import FolderSource, model_source, version_file


def shifted(model, by, path, **changes):
    """Save the model with other scores."""
    scorer = model.contents.scorer
    other = LinearScorer(scorer.bias + by, scorer.columns)
    RetentionModel(replace(model.contents, scorer=other, **changes)).save(path, name="gym")
    return path


@pytest.fixture
def link(bundle, tmp_path):
    """A link to the running version's bundle, as a deployment sets it."""
    place = tmp_path / "current"
    place.symlink_to(bundle)
    return place


@pytest.fixture
def point(link):
    def point(target):
        aside = link.with_name("next")
        aside.symlink_to(target)
        aside.replace(link)

    return point


@pytest.fixture
def followed(model, link):
    app = create_app(model)
    return app, ModelReloader(app.state, FolderSource(link))


def probability(ask, app, member):
    [row] = ask("/v1/predict", {"customers": [member(1)]}, to=app).json()["predictions"]
    return row["churn_probability"]


def look(following, times=1):
    return [asyncio.run(following.look()) for _ in range(times)]


def reloads(app):
    text = app.metrics.exposition().decode()
    lines = [line for line in text.splitlines() if line.startswith("churnkit_reloads_total{")]
    counts = {line.split('"')[1]: float(line.rsplit(" ", 1)[1]) for line in lines}
    assert set(counts) == {"refused", "swapped", "unreachable"}
    return {result: count for result, count in counts.items() if count}


def test_a_newer_version_is_swapped_in_once(ask, member, model, followed, point, tmp_path):
    app, following = followed
    before = probability(ask, app, member)
    assert look(following) == [False]
    point(shifted(model, 1.0, tmp_path / "newer"))
    assert look(following, 2) == [True, False]
    newer = RetentionModel.load(tmp_path / "newer")
    assert newer.digest
    assert probability(ask, app, member) == newer.predict_row(member(1)) > before
    assert ask("/v1/model", to=app).json()["digest"] == newer.digest
    assert ask("/openapi.json", to=app).json()["info"]["version"] == newer.digest[7:19]
    assert reloads(app) == {"swapped": 1}
    shown = [line for line in app.metrics.exposition().decode().splitlines() if "_model{" in line]
    assert shown == [f'churnkit_model{{name="gym",version="{newer.digest[7:19]}"}} 1.0']


def test_answers_state_the_version_in_the_registry(ask, member, model, link, bundle, tmp_path):
    app = create_app(model)
    following = ModelReloader(app.state, FolderSource(link))
    body = {"customers": [member(1)]}
    assert look(following) == [False]
    assert "x-model-version" not in ask("/v1/predict", body, to=app).headers
    version_file(bundle).write_text("7", encoding="ascii")
    try:
        assert look(following) == [False]
        for path in ("/v1/predict", "/v1/explain"):
            assert ask(path, body, to=app).headers["x-model-version"] == "7"
    finally:
        version_file(bundle).unlink()


def damage_a_byte(folder):
    file = folder / "card.json"
    file.write_bytes(file.read_bytes()[:-1] + b" ")


def drop_a_file(folder):
    (folder / "scorer.json").unlink()


def lie_about_golden_rows(folder):
    file = folder / "golden" / "probability.npy"
    content = bytearray(file.read_bytes())
    content[-8:] = np.array([0.999]).tobytes()
    file.write_bytes(content)
    reseal(folder, "golden/probability.npy")


def reseal(folder, file):
    import hashlib

    content = (folder / file).read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][file] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    text = json.dumps(manifest).encode()
    (folder / "manifest.json").write_bytes(text)
    (folder / "manifest.sha256").write_text(hashlib.sha256(text).hexdigest() + "\n")


@pytest.mark.parametrize("harm", [damage_a_byte, drop_a_file, lie_about_golden_rows])
def test_a_bad_version_is_refused_and_the_old_one_serves_on(
    ask, member, model, followed, point, tmp_path, harm, caplog
):
    app, following = followed
    before = probability(ask, app, member)
    bad = shifted(model, 1.0, tmp_path / "bad")
    harm(bad)
    point(bad)
    assert look(following, 5) == [False] * 5
    assert probability(ask, app, member) == before
    assert reloads(app) == {"refused": 1}
    assert caplog.text.count("is refused, the running version stays") == 1
    point(shifted(model, 2.0, tmp_path / "good"))
    assert look(following) == [True]


def test_a_version_that_is_still_being_copied_is_looked_at_again(model, followed, point, tmp_path):
    _, following = followed
    whole = shifted(model, 1.0, tmp_path / "whole")
    half = shutil.copytree(whole, tmp_path / "half")
    (half / "card.json").unlink()
    point(half)
    assert look(following) == [False]
    shutil.copy(whole / "card.json", half / "card.json")
    assert look(following) == [True]


def test_a_source_that_is_gone_changes_nothing(ask, member, followed, link):
    app, following = followed
    before = probability(ask, app, member)
    link.unlink()
    assert look(following, 2) == [False, False]
    assert probability(ask, app, member) == before
    assert reloads(app) == {"unreachable": 2}


def test_only_what_the_signer_signed_is_taken(model, link, point, tmp_path):
    make_keys(tmp_path / "a.key", tmp_path / "a.pub")
    make_keys(tmp_path / "b.key", tmp_path / "b.pub")
    app = create_app(model)
    following = ModelReloader(app.state, FolderSource(link, str(tmp_path / "a.pub")))
    unsigned = shifted(model, 1.0, tmp_path / "unsigned")
    foreign = shutil.copytree(unsigned, tmp_path / "foreign")
    sign(foreign, tmp_path / "b.key")
    for bad in (unsigned, foreign):
        point(bad)
        assert look(following) == [False]
    own = shutil.copytree(unsigned, tmp_path / "own")
    sign(own, tmp_path / "a.key")
    point(own)
    assert look(following) == [True]


def test_a_version_that_asks_for_more_than_clients_send_is_refused(model):
    parts = model.contents
    columns = (*parts.contract.columns, Column("shoe_size", "number", ("context", "feature")))
    wider = RetentionModel(ModelContents(Contract("gym", columns), parts.scorer, parts.calibration))
    with pytest.raises(BundleError, match="shoe_size"):
        validate_replacement(wider, model)


def test_a_version_that_is_slow_or_scores_rows_otherwise_is_refused(model, monkeypatch):
    class Odd(LinearScorer):
        def raw_score_row(self, values):
            return super().raw_score_row(values) + 1e-9

    scorer = model.contents.scorer
    odd = RetentionModel(replace(model.contents, scorer=Odd(scorer.bias, scorer.columns)))
    with pytest.raises(BundleError, match="one by one"):
        validate_replacement(odd, model)
    monkeypatch.setattr("churnkit.server.reload.model_reloader._MAX_ROW_SECONDS", 0.0)
    with pytest.raises(BundleError, match="ms per customer"):
        validate_replacement(model, model)


def test_requests_while_versions_change_are_each_answered_by_one_of_them(
    ask, member, model, followed, point, tmp_path
):
    app, following = followed
    paths = [shifted(model, step / 4, tmp_path / f"v{step}") for step in range(1, 5)]
    versions = [model, *map(RetentionModel.load, paths)]
    rows = [member(place) for place in range(12)]
    right = {
        version.digest: [row["churn_probability"] for row in version.predict(rows)]
        for version in versions
    }
    answers = []
    ended = threading.Event()

    def keep_asking():
        while not ended.is_set():
            answers.append(ask("/v1/predict", {"customers": rows}, to=app))

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        for path in paths:
            point(path)
            assert look(following) == [True]
    finally:
        ended.set()
        thread.join()
    answers.append(ask("/v1/predict", {"customers": rows}, to=app))
    for answer in answers:
        told = answer.json()
        got = [row["churn_probability"] for row in told["predictions"]]
        assert got == right[told["model"]["digest"]]
    assert answers[-1].json()["model"]["digest"] == versions[-1].digest


def test_what_cannot_come_to_mean_another_version_is_no_source(tmp_path):
    assert model_source("models:/gym/3") is None
    assert model_source("bento:gym:abc") is None
    assert isinstance(model_source(str(tmp_path)), FolderSource)


# MLflow's own imports warn of other packages' deprecations.
@pytest.mark.filterwarnings("ignore")
def test_an_alias_is_followed_through_the_registry_and_mirrored(shop_copy, tmp_path):
    from churnkit.bundle import Registry
    from churnkit.server.reload.registry_mirror import RegistryMirror

    registry = Registry(shop_copy)
    source = model_source("models:/shop@champion", project=shop_copy)
    assert source is not None
    champion = source.load()
    assert source.identity() == champion.digest
    assert champion.registered_version == source.registered_version() == "1"
    mirror = RegistryMirror(registry, "shop", "champion", tmp_path)
    assert mirror.look()
    assert not mirror.look()
    assert FolderSource(mirror.link).load().registered_version == "1"
    assert FolderSource(mirror.link).identity() == champion.digest
    assert FolderSource(mirror.link).load().digest == champion.digest


def test_the_application_follows_and_shadows_while_it_lives(
    ask, member, model, link, point, tmp_path
):
    challenger = shifted(model, 0.3, tmp_path / "challenger")
    app = create_app(model, follow=str(link), poll_seconds=0.02, shadow=str(challenger))
    newer = shifted(model, 1.0, tmp_path / "newer")

    shadow = app.state.shadow
    assert shadow is not None

    async def live():
        await app.startup()
        await app.startup()
        point(newer)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if app.state.loaded.model.digest != model.digest and shadow._model is not None:
                break
        rows = [member(place) for place in range(4)]
        body = json.dumps({"customers": rows}).encode()
        sent = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/predict",
            "headers": [(b"content-type", b"application/json")],
        }
        await app(scope, receive, send)
        for _ in range(500):
            await asyncio.sleep(0.01)
            if not shadow._queue:
                break
        await asyncio.sleep(0.05)
        await app.shutdown()
        return sent

    head, _ = asyncio.run(live())
    assert head["status"] == 200
    assert app.state.loaded.model.digest == RetentionModel.load(newer).digest
    text = app.metrics.exposition().decode()
    assert "churnkit_shadow_rows_total 4.0" in text
    assert 'churnkit_shadow_differences_total{more_than="0.01"} 4.0' in text


def test_a_version_without_golden_rows_cannot_be_checked_and_is_refused(
    model, followed, point, tmp_path
):
    app, following = followed
    point(shifted(model, 0.5, tmp_path / "unchecked", golden=None))
    assert look(following) == [False]
    assert app.state.loaded.model is model
    with pytest.raises(BundleError, match="no golden rows"):
        validate_replacement(RetentionModel(replace(model.contents, golden=None)), model)
