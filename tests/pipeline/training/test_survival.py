"""The hazard model of a recipe, from training to the loaded bundle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from churnkit.bundle import RetentionModel
from churnkit.bundle.contents import ModelContents
from churnkit.decisions import Action, Catalogue, Effect, Where
from churnkit.errors import BundleError, RecipeError
from churnkit.models import HazardModel, LogisticModel
from churnkit.pipeline import Lifetime
from churnkit.pipeline.checks.actions import refuse_invalid_actions
from churnkit.pipeline.model_card.card import build_card
from churnkit.pipeline.training.data.dataset import prepare, read_training_table
from churnkit.pipeline.training.fit import fit
from churnkit.pipeline.training.survival import fit_lifetime

LIFETIME = Lifetime("months_watched", "left", HazardModel(rounds=40), horizons=(3.0, 6.0))


@pytest.fixture(scope="module")
def trained(recipe_of, trained_shop):
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    project, _ = trained_shop
    recipe = recipe_of(project)
    table = read_training_table(recipe, project.root)
    rng = np.random.default_rng(0)
    leaves = rng.exponential(np.where(np.array(table["churned"].to_pylist()), 4.0, 30.0))
    watched = rng.uniform(6.0, 12.0, table.num_rows)
    table = table.append_column("months_watched", pa.array(np.minimum(leaves, watched)))
    table = table.append_column("left", pa.array(leaves < watched))
    recipe = replace(recipe, model=LogisticModel(C=1.0), lifetime=LIFETIME)
    return recipe, prepare(recipe, table)


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    recipe, data = trained
    fitted = fit(recipe, data)
    lifetime = fit_lifetime(LIFETIME, data, seed=0)
    parts = ModelContents(
        data.contract,
        fitted.model.scorer_,
        fitted.model.calibration_,
        card=build_card(recipe, data, fitted, lifetime),
        golden=data.test.X[:5] + 0.0,
        hazard=lifetime.scorer,
    )
    folder = tmp_path_factory.mktemp("bundle") / "shop"
    RetentionModel(parts).save(folder)
    return RetentionModel.load(folder), lifetime, folder


def test_a_loaded_bundle_answers_for_any_horizon(saved, trained):
    model, lifetime, _ = saved
    table = trained[1].test.table.select(["customer_id", "plan", "city", "tenure_months", "mrr"])
    outcome = model.survival(table, [1, 6.5])
    assert outcome.column_names == ["customer_id", "survival_1", "survival_6.5", "problem"]
    expected = lifetime.scorer.survival(trained[1].test.X, [1, 6.5])
    np.testing.assert_array_equal(outcome["survival_6.5"].to_numpy(), expected[:, 1])
    months = model.lifetime(table, horizon=12.0)["expected_lifetime"].to_numpy()
    assert ((months > 0) & (months <= 12)).all()


def test_a_row_that_breaks_a_rule_has_no_curve_and_a_problem(saved):
    model, _, _ = saved
    row = {"customer_id": "a", "plan": "basic", "city": "Bern", "tenure_months": 3, "mrr": 20.0}
    outcome = model.survival([row, {**row, "tenure_months": -1}], [3])
    assert 0 < outcome[0]["survival_3"] < 1
    assert outcome[1]["survival_3"] is None
    assert "tenure_months" in outcome[1]["problem"]


def test_the_card_has_the_hazards_calibration(saved):
    model, _, _ = saved
    assert model.card["lifetime"]["left"] > 0
    assert len(model.card["lifetime"]["calibration"]) > 10
    assert "## Survival" in model.card_markdown()


def test_the_same_seed_gives_the_same_hazard(trained, saved):
    again = fit_lifetime(LIFETIME, trained[1], seed=0)
    for name, array in saved[1].scorer.to_arrays()[1].items():
        np.testing.assert_array_equal(array, again.scorer.to_arrays()[1][name])


def test_a_model_without_a_hazard_says_how_to_get_one(shop_model):
    row = {"customer_id": "a", "plan": "basic", "city": "Bern", "tenure_months": 3, "mrr": 20.0}
    with pytest.raises(RecipeError, match="lifetime=Lifetime"):
        shop_model.survival([row], [3])


@pytest.mark.parametrize(
    ("lifetime", "message"),
    [
        (Lifetime("months", "left"), "no column 'months'"),
        (Lifetime("tenure_months", "left"), "has the role feature"),
        (Lifetime("months_watched", "plan"), "role feature"),
        (Lifetime("months_watched", "left", LogisticModel()), "must be a HazardModel"),
    ],
)
def test_invalid_lifetimes_are_refused(trained, lifetime, message):
    with pytest.raises(RecipeError, match=message):
        fit_lifetime(lifetime, trained[1], seed=0)


def test_a_hazard_that_does_not_fit_the_contract_is_refused(saved):
    from churnkit.bundle.contents import from_files, to_files

    model, _, _ = saved
    files = to_files(model.contents)
    assert from_files(files).hazard is not None
    with pytest.raises(BundleError, match=r"lacks hazard\.json"):
        from_files({name: held for name, held in files.items() if name != "hazard.json"})
    other = HazardModel(rounds=2).fit([[0.0], [1.0]] * 50, [1.0, 2.0] * 50).scorer_
    with pytest.raises(BundleError, match="the contract encodes 4"):
        from_files(to_files(replace(model.contents, hazard=other, golden=None)))


CALL = Action("call", "A call", 5.0, Effect(0.1, 0.2, 0.3), (Where("may_call", "==", True),))
OFFER = Action("offer", "An offer", 1.0, Effect(0.05, 0.1, 0.2), benefit_periods=3)
SURVIVING = Catalogue((CALL, OFFER), periods=24, survival=True, discount=0.01)


@pytest.fixture(scope="module")
def surviving(saved, tmp_path_factory):
    model, _, _ = saved
    folder = tmp_path_factory.mktemp("bundle") / "surviving"
    RetentionModel(replace(model.contents, catalogue=SURVIVING)).save(folder)
    return RetentionModel.load(folder)


def test_a_plan_counts_value_as_long_as_the_hazard_expects_it(surviving, trained):
    table = trained[1].test.table
    plan = surviving.recommend(table.drop_columns(["churned"])).to_pylist()
    survival_weights = surviving.contents.hazard.survival_weights(
        trained[1].test.X, [24.0, 3.0], rate=np.log(1.01)
    )
    assert (survival_weights < 24).all()
    assert len({row["action"] for row in plan}) > 1
    for row, worth, mrr in zip(plan, survival_weights, table["mrr"].to_pylist(), strict=True):
        if row["action"] is not None:
            index, effect, cost = {"call": (0, 0.2, 5.0), "offer": (1, 0.1, 1.0)}[row["action"]]
            gain = row["churn_probability"] * effect * float(mrr) * worth[index] - cost
            assert row["expected_gain"] == pytest.approx(gain)


def test_the_service_counts_as_the_plan_does(surviving, trained):
    import asyncio

    import httpx

    from churnkit.server import create_app

    table = trained[1].test.table.slice(0, 40)
    read = ["customer_id", "plan", "city", "tenure_months", "mrr", "may_call"]
    rows = table.select(read).to_pylist()
    rows = [
        {
            **row,
            "city": row["city"] or None,
            "tenure_months": int(row["tenure_months"]),
            "mrr": float(row["mrr"]),
            "may_call": row["may_call"] == "True",
        }
        for row in rows
    ]

    async def ask():
        transport = httpx.ASGITransport(app=create_app(surviving))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            alone = [await client.post("/v1/recommend", json={"customers": [r]}) for r in rows]
            return alone, await client.post("/v1/recommend", json={"customers": rows})

    alone, together = asyncio.run(ask())
    plan = surviving.recommend(rows)
    for row, one, other in zip(plan, alone, together.json()["predictions"], strict=True):
        [result] = one.json()["predictions"]
        for name in ("action", "expected_gain", "gain_low", "gain_high", "cost"):
            assert result[name] == other[name] == row[name]


def test_survival_without_a_hazard_is_refused(saved, trained, tmp_path):
    model, _, _ = saved
    lost = replace(model.contents, catalogue=SURVIVING, hazard=None)
    RetentionModel(lost).save(tmp_path / "lost")
    with pytest.raises(BundleError, match="without a hazard model"):
        RetentionModel.load(tmp_path / "lost")
    recipe, data = trained
    with pytest.raises(RecipeError, match="lifetime=Lifetime"):
        refuse_invalid_actions(replace(recipe, actions=SURVIVING, lifetime=None), data.contract)
    refuse_invalid_actions(replace(recipe, actions=SURVIVING), data.contract)


def test_the_card_s_profit_counts_by_survival(trained):
    recipe, data = trained
    fitted = fit(recipe, data)
    lifetime = fit_lifetime(LIFETIME, data, seed=0)
    whole = replace(SURVIVING, survival=False, discount=0.0)
    cards = [
        build_card(replace(recipe, actions=actions), data, fitted, lifetime)["profit"]["model"]
        for actions in (SURVIVING, whole)
    ]
    assert max(cards[0]) < max(cards[1])


@pytest.fixture(scope="module")
def by_cause(trained):
    recipe, data = trained
    rng = np.random.default_rng(1)
    cause = pa.array(rng.choice(["cancelled", "payment", ""], data.full.table.num_rows))
    full = replace(data.full, table=data.full.table.append_column("why", cause))
    ids = full.table["customer_id"].to_pylist()
    place = {customer: number for number, customer in enumerate(ids)}

    def part(old):
        rows = [place[customer] for customer in old.table["customer_id"].to_pylist()]
        return replace(old, table=full.table.take(rows))

    return recipe, replace(data, full=full, train=part(data.train), test=part(data.test))


def test_a_lifetime_with_causes_has_incidences_that_sum_right(saved, by_cause, tmp_path):
    lifetime = fit_lifetime(replace(LIFETIME, cause="why"), by_cause[1], seed=0)
    contents = replace(
        saved[0].contents, hazard=lifetime.scorer, card={"lifetime": lifetime.card}, catalogue=None
    )
    RetentionModel(contents).save(tmp_path / "causes")
    model = RetentionModel.load(tmp_path / "causes")
    table = by_cause[1].test.table.drop_columns(["churned"])
    incidence, survival = model.incidence(table, [3, 6]), model.survival(table, [3, 6])
    names = [f"incidence_{cause}_6" for cause in ("cancelled", "payment", "unknown")]
    total = sum(incidence[name].to_numpy() for name in names)
    assert total + survival["survival_6"].to_numpy() == pytest.approx(1.0)
    # A hazard of any cause gives the same survival up to its own regularization.
    whole = saved[1].scorer.survival(by_cause[1].test.X, [6.0])[:, 0]
    assert survival["survival_6"].to_numpy().mean() == pytest.approx(whole.mean(), abs=0.03)
    card = lifetime.card["causes"]
    assert {row[0] for row in card} == {"cancelled", "payment", "unknown"}
    assert all(low <= observed <= high for _, _, _, observed, low, high in card)
    assert "Cumulative incidence by cause" in model.card_markdown()
    periods = model.contents.hazard.survival_weights(by_cause[1].test.X, [12.0])  # type: ignore[union-attr]
    assert ((periods > 1) & (periods < 12)).all()


def test_a_hazard_of_any_cause_has_no_incidences(saved, trained):
    with pytest.raises(RecipeError, match="add cause= to lifetime"):
        saved[0].incidence(trained[1].test.table.drop_columns(["churned"]), [3])
    with pytest.raises(RecipeError, match="'plan' has the role feature"):
        fit_lifetime(replace(LIFETIME, cause="plan"), trained[1], seed=0)
