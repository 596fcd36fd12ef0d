"""Causes of churn from a recipe's table to plans, at every door."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.contents import ModelContents, from_files, to_files
from churnkit.contracts import Contract, Schema, cause, entity, feature, label
from churnkit.core.project import Project
from churnkit.decisions import Action, Catalogue, Effect, ShadowPrices
from churnkit.errors import BundleError, ContractError, RecipeError
from churnkit.models import CompetingRisksModel, CompetingRisksScorer, HazardModel, LogisticModel
from churnkit.pipeline import Recipe
from churnkit.pipeline.checks.actions import refuse_invalid_actions
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.training.competing_risks import check_actions_of_causes, fit_causes
from churnkit.pipeline.training.data.dataset import prepare
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.train import train


class Gym(Schema):
    member_id: str = entity()
    late_payments: int = feature(ge=0)
    visits: float = feature(ge=0)
    fee: float = feature("Fee", unit="EUR a month", also=("value",))
    churned: bool = label()
    reason: str = cause()


CALL = Action("call", "A call", 2.0, Effect(0.2, 0.4, 0.6), prevents=("voluntary",))
CARD = Action("card", "A new card", 1.0, Effect(0.3, 0.6, 0.9), prevents=("involuntary",))
ANY = Action("offer", "20% off", 15.0, Effect(0.1, 0.2, 0.3))
CATALOGUE = Catalogue((CALL, CARD, ANY), periods=12)


def members(count, seed=0):
    """Members whose rare visits make them cancel, and whose late payments make them fail."""
    rng = np.random.default_rng(seed)
    late, visits = rng.integers(0, 4, count), rng.uniform(0.0, 8.0, count)
    voluntary, involuntary = true_incidence(late, visits)
    draw = rng.random(count)
    churned = draw < voluntary + involuntary
    reason = np.where(draw < voluntary, "voluntary", "involuntary").astype(object)
    reason[churned & (rng.random(count) < 0.1)] = None
    # A reason of a customer who stayed, such as one who left later, is not read.
    reason[~churned] = np.where(rng.random(count) < 0.1, "voluntary", None)[~churned]  # type: ignore[call-overload]
    return pa.table(
        {
            "member_id": [f"m{number:05d}" for number in range(count)],
            "late_payments": late,
            "visits": visits,
            "fee": rng.integers(80, 200, count) / 4.0,
            "churned": churned,
            "reason": pa.array(reason, pa.string()),
        }
    )


def true_incidence(late, visits):
    return 0.4 * np.exp(-0.5 * visits), 0.02 + 0.1 * late


@pytest.fixture(scope="module")
def trained():
    table = members(2500)
    recipe = Recipe(schema=Gym, data="", model=LogisticModel(C=1.0), actions=CATALOGUE, name="gym")
    data = prepare(recipe, table)
    refuse_invalid_actions(recipe, data.contract)
    fitted = fit(recipe, data)
    causes = fit_causes(recipe, data, fitted)
    contents = ModelContents(
        data.contract,
        fitted.model.scorer_,
        fitted.model.calibration_,
        catalogue=CATALOGUE,
        card=build_card(recipe, data, fitted, causes=causes),
        golden=data.test.X[:5] + 0.0,
        causes=causes.scorer,  # type: ignore[union-attr]
    )
    return recipe, data, fitted, contents, table


@pytest.fixture(scope="module")
def model(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bundle") / "gym"
    RetentionModel(trained[3]).save(folder, name="gym")
    return RetentionModel.load(folder)


@pytest.fixture(scope="module")
def rows(trained):
    return (
        trained[4].select(["member_id", "late_payments", "visits", "fee"]).slice(0, 60).to_pylist()
    )


def test_incidences_sum_to_the_churn_probability_and_are_near_the_truth(model):
    table = members(2000, seed=1)
    risk = model.causes(table.drop_columns(["churned", "reason"]))
    names = [name for name in risk.column_names if name.startswith("churn_probability_")]
    assert names == [f"churn_probability_{c}" for c in ("involuntary", "unknown", "voluntary")]
    parts = np.column_stack([risk[name].to_numpy() for name in names])
    assert parts.sum(axis=1) == pytest.approx(risk["churn_probability"].to_numpy(), abs=1e-12)
    truth = true_incidence(table["late_payments"].to_numpy(), table["visits"].to_numpy())
    for column, expected in ((2, truth[0]), (0, truth[1])):
        # A tenth of the causes is not recorded.
        assert abs(parts[:, column] - 0.9 * expected).mean() < 0.03
        assert np.corrcoef(parts[:, column], expected)[0, 1] > 0.9


def test_the_card_compares_incidences_with_those_of_held_out_customers(model):
    card = model.card["causes"]
    assert [row["cause"] for row in card["causes"]] == ["involuntary", "unknown", "voluntary"]
    assert sum(row["observed"] for row in card["causes"]) == pytest.approx(
        card["churned"] / card["customers"]
    )
    for row in card["causes"]:
        assert row["low"] <= row["observed"] <= row["high"]
        assert row["predicted"] == pytest.approx(row["observed"], abs=0.04)
    assert "## Causes of churn" in model.card_markdown()


def test_every_door_bounds_an_action_by_its_causes(model, rows, tmp_path):
    import asyncio

    import httpx
    import pyarrow.parquet as pq

    from churnkit.batch import plan
    from churnkit.server import create_app

    recommended = model.recommend(rows)
    risk = model.causes(rows)
    assert {row["action"] for row in recommended} >= {"call", "card"}
    for row, parts, customer in zip(recommended, risk, rows, strict=True):
        worth = customer["fee"] * 12
        shares = {"call": "_voluntary", "card": "_involuntary", "offer": ""}
        if row["action"] is not None:
            action = next(a for a in CATALOGUE.actions if a.name == row["action"])
            own = parts[f"churn_probability{shares[action.name]}"]
            saved = own * action.effect.expected * worth  # type: ignore[union-attr]
            assert row["expected_gain"] + row["cost"] == pytest.approx(saved)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "members.parquet")
    planned, _ = plan(tmp_path / "members.parquet", model)

    async def ask():
        transport = httpx.ASGITransport(app=create_app(model))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            alone = [await client.post("/v1/recommend", json={"customers": [r]}) for r in rows[:15]]
            return alone, await client.post("/v1/recommend", json={"customers": rows})

    alone, together = asyncio.run(ask())
    encoded, probability = model.score_table(rows, "recommend")
    free = ShadowPrices(0.0, np.zeros(3))
    priced = model.decide_rows(probability, encoded.matrix, prices=free)
    answers = together.json()["predictions"]
    for row, other, batch, one in zip(
        recommended, answers, planned.to_pylist(), priced, strict=True
    ):
        for name in ("action", "expected_gain", "gain_low", "gain_high", "cost"):
            assert row[name] == other[name] == batch[name] == getattr(one, name)
    for row, one in zip(recommended[:15], alone, strict=True):
        [answer] = one.json()["predictions"]
        assert answer["expected_gain"] == row["expected_gain"]


def test_measured_effects_prevent_no_more_than_their_causes(model, rows):
    from churnkit.bundle.parts.uplift import ActionEffects

    class Sure:
        """Effects that would keep everybody."""

        def interval(self, X, level):
            return tuple(np.full((len(X), 2), 0.9) for _ in range(3))

    effects = ActionEffects(Sure(), ("card", "call"), "staying", 0.0)  # type: ignore[arg-type]
    encoded, probability = model.score_table(rows, "recommend")
    share = model.preventable_share(encoded.features)
    measured = effects.treatment_effects(CATALOGUE, encoded.features, probability, share)
    assert measured.places == (1, 0)
    assert measured.expected == pytest.approx(probability[:, None] * share[:, [1, 0]])
    everything = effects.treatment_effects(CATALOGUE, encoded.features, probability)
    assert everything.expected == pytest.approx(np.column_stack([probability, probability]))


def test_a_bundle_whose_causes_do_not_fit_is_refused(model):
    files = to_files(model.contents)
    assert from_files(files).causes.causes == ("involuntary", "unknown", "voluntary")  # type: ignore[union-attr]
    with pytest.raises(BundleError, match=r"lacks causes\.json"):
        from_files({name: held for name, held in files.items() if name != "causes.json"})
    lost = {n: f for n, f in files.items() if n != "causes.json" and not n.startswith("causes/")}
    with pytest.raises(BundleError, match=r"prevents the cause 'voluntary'.*there are none"):
        from_files(lost)
    other = CompetingRisksModel(HazardModel(rounds=2, horizon=1.0))
    other = other.fit([[0.0], [1.0]] * 50, np.ones(100), ["a", "b"] * 50).scorer_  # type: ignore[assignment]
    with pytest.raises(BundleError, match="reads 1 columns, the contract encodes 3"):
        from_files(to_files(replace(model.contents, catalogue=None, causes=other, golden=None)))
    damaged = dict(files)
    key = next(name for name in files if name.endswith("cause0_baseline.npy"))
    damaged[key] = files[next(name for name in files if name.endswith("cause2_baseline.npy"))]
    with pytest.raises(BundleError, match="does not score the golden rows as it did"):
        from_files(damaged)
    with pytest.raises(BundleError, match="1 to 32 names"):
        CompetingRisksScorer.from_arrays({"causes": [], "hazards": []}, {})


def test_what_cannot_be_planned_by_cause_is_refused(trained):
    recipe, data, fitted, _, table = trained

    def catalogue(cause_name):
        return Catalogue((replace(CALL, prevents=(cause_name,)),))

    with pytest.raises(RecipeError, match="prevents the cause 'fraud', which is not one of invol"):
        fit_causes(replace(recipe, actions=catalogue("fraud")), data, fitted)
    with pytest.raises(RecipeError, match="prevents the cause 'fraud', which is not one of invol"):
        check_actions_of_causes(replace(recipe, actions=catalogue("fraud")), data)
    rare = table["reason"].to_pylist()
    left = np.flatnonzero(table["churned"].to_numpy(zero_copy_only=False))
    for row in left[:20]:
        rare[row] = "moved"
    position = table.column_names.index("reason")
    other = prepare(recipe, table.set_column(position, "reason", pa.array(rare)))
    with pytest.raises(RecipeError, match=r"'moved', for which \d+ training customers churned"):
        fit_causes(replace(recipe, actions=catalogue("moved")), other, fitted)
    blank = prepare(
        recipe, table.set_column(position, "reason", pa.nulls(table.num_rows, pa.string()))
    )
    with pytest.raises(RecipeError, match="column 'reason': blank for all"):
        fit_causes(recipe, blank, fitted)
    with pytest.raises(RecipeError, match="has no column 'reason'"):
        fit_causes(recipe, prepare(recipe, table.drop_columns(["reason"])), fitted)
    contract = replace(
        data.contract, columns=tuple(c for c in data.contract.columns if c.role != "cause")
    )
    with pytest.raises(RecipeError, match=r"declare its column with cause\(\)"):
        refuse_invalid_actions(recipe, contract)
    with pytest.raises(RecipeError, match="was trained without causes of churn"):
        RetentionModel(replace(trained[3], causes=None, catalogue=None)).causes(table)


def test_a_wrong_cause_is_refused_before_anything_is_fitted(trained, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("fitted")

    monkeypatch.setattr("churnkit.pipeline.training.train.fit", refuse)
    wrong = Catalogue((replace(CALL, prevents=("volunatry",)),))
    recipe = replace(trained[0], data=lambda: trained[4], actions=wrong)
    with pytest.raises(RecipeError, match="prevents the cause 'volunatry', which is not one of"):
        train(recipe, project=Project(tmp_path))


def test_preventable_shares_of_a_table_are_those_of_its_causes(model, rows):
    risk = model.causes(rows)
    share = model.preventable_share(rows)
    for row, parts in zip(share.tolist(), risk, strict=True):
        whole = parts["churn_probability"]
        voluntary, involuntary = (
            parts[f"churn_probability_{name}"] / whole for name in ("voluntary", "involuntary")
        )
        assert row == pytest.approx([voluntary, involuntary, 1.0])
    np.testing.assert_array_equal(model.preventable_share(pa.Table.from_pylist(rows)), share)
    np.testing.assert_array_equal(model.preventable_share(model.encode(rows).features), share)


def test_rare_causes_count_as_one(trained):
    recipe, _, fitted, _, table = trained
    reasons = np.array(table["reason"].to_pylist(), dtype=object)
    left = np.flatnonzero(table["churned"].to_numpy(zero_copy_only=False))
    reasons[left[:10]] = [f"rare {number}" for number in range(10)]
    position = table.column_names.index("reason")
    data = prepare(recipe, table.set_column(position, "reason", pa.array(reasons, pa.string())))
    causes = fit_causes(recipe, data, fitted)
    assert causes.scorer.causes == ("involuntary", "other", "unknown", "voluntary")  # type: ignore[union-attr]
    shares = causes.scorer.cause_shares(data.full.X)  # type: ignore[union-attr]
    assert shares[:, 1].mean() < 0.05
    assert shares.sum(axis=1) == pytest.approx(1.0)


def test_a_cause_must_be_nullable_text():
    class Wrong(Schema):
        member_id: str = entity()
        churned: bool = label()
        reason: int = cause()

    with pytest.raises(ContractError, match="must be text and nullable=True"):
        Contract.from_schema(Wrong)
