"""The label's column, and the value that means churned, in several languages."""

from __future__ import annotations

import pyarrow as pa
import pytest

from churnkit.errors import ChurnkitError
from churnkit.pipeline.scaffold.column_profile import profile_column
from churnkit.pipeline.scaffold.column_roles import draft_column
from churnkit.pipeline.scaffold.from_table import draft_table
from churnkit.pipeline.scaffold.keys.label_column import describe_constant, find_label
from churnkit.pipeline.scaffold.keys.label_draft import draft_label


def profile(name, values, copies=40):
    return profile_column(name, pa.chunked_array([list(values) * copies]))


def drafted(name, values, positive=None):
    column = draft_label("t.csv", profile(name, values), (positive,) if positive else ())
    return column.settings.get("todo", ""), column.settings.get("positive", True)


@pytest.mark.parametrize(
    ("name", "churned"),
    [
        ("churn", True), ("Churned", True), ("is_canceled", True), ("Exited", True), ("target", True),
        ("not_renewed", True), ("inactive", True), ("Abgewandert", True), ("résilié", True),
        ("abandono", True), ("cancelou", True), ("opgezegd", True), ("解約", True), ("is_lost", True),
        ("retained", False), ("renewed", False), ("is_active", False), ("stayed", False),
        ("loyal", False), ("still_customer_active", False), ("aktiv", False), ("renouvelé", False),
        ("activo", False), ("ativo", False), ("RetentionFlag", False), ("no_churn", False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("values", [("0", "1"), ("No", "Yes"), ("False", "True")])
def test_the_name_decides_what_true_means(name, churned, values):
    question, positive = drafted(name, values)
    assert (question, positive) == ("", churned)


@pytest.mark.parametrize(
    ("name", "values", "positive"),
    [
        ("Churn?", ("False.", "True."), "True."),
        ("Gekündigt", ("Ja", "Nein"), "Ja"),
        ("treu", ("Ja", "Nein"), "Nein"),
        ("churn", ("Oui", "Non"), "Oui"),
        ("renovado", ("Si", "No"), "No"),
        ("evasão", ("Sim", "Não"), "Sim"),
        ("churn", ("S", "N"), "S"),
        ("churn", ("-1", "1"), "1"),
        ("retained", ("-1", "1"), "-1"),
        ("Attrition_Flag", ("Attrited Customer", "Existing Customer"), "Attrited Customer"),
        ("status", ("Active", "Cancelled"), "Cancelled"),
        ("Status", ("Aktiv", "Gekündigt"), "Gekündigt"),
        ("statut", ("Résilié", "Actif"), "Résilié"),
        ("estado", ("Activo", "Baja"), "Baja"),
        ("churn", ("Not renewed", "Renewed"), "Not renewed"),
        ("churn", ("Churned", "Not Churned"), "Churned"),
        ("churn", ("No longer active", "Active"), "No longer active"),
        ("churn", ("Won", "Lost"), "Lost"),
        ("Customer Status", ("Churned", "Stayed", "Joined"), "Churned"),
        ("state", ("Terminated", "Open", "Current", "New"), "Terminated"),
    ],
)
def test_the_value_that_means_churned_is_inferred(name, values, positive):
    assert drafted(name, values) == ("", positive)


def test_the_other_values_of_a_label_are_named():
    column = draft_label("t.csv", profile("churn", ["Churned", "Stayed", "Joined"]))
    assert column.review == "'Churned' means churned; stayed: 'Joined', 'Stayed'"


@pytest.mark.parametrize(
    ("values", "positive"), [(("A", "B", "C"), "B"), (("1", "2"), "2"), (("0", "1"), "0")]
)
def test_a_stated_value_is_one_against_the_rest(values, positive):
    question, churned = drafted("flag", values, positive)
    assert question == ""
    assert churned == (False if values == ("0", "1") else positive)


def test_words_for_missing_values_are_no_third_value():
    column = draft_label("t.csv", profile("churn", ["Yes", "No", "N/A"]))
    assert (column.type, column.settings) == ("bool", {"missing": ["n/a"]})


@pytest.mark.parametrize(
    ("dates", "settings"),
    [
        (["2025-03-01", ""], {"nullable": True}),
        (["2025-03-01", "2025-04-01", None], {"nullable": True}),
        (["31.03.2025", "2.3.2025", ""], {"nullable": True, "written": "DD/MM/YYYY"}),
        (["3/31/2025 10:00", ""], {"nullable": True, "written": "MM/DD/YYYY"}),
        (["2025-03-01", "0000-00-00"], {"nullable": True, "missing": ["0000-00-00"]}),
    ],
)
@pytest.mark.parametrize("name", ["churn_date", "cancelled_at", "Kündigungsdatum"])
def test_a_date_that_only_customers_who_left_have_is_a_label(name, dates, settings):
    assert find_label({name: profile(name, dates)})[0] == name
    column = draft_label("t.csv", profile(name, dates))
    assert (column.type, column.settings) == ("Utc", settings)


@pytest.mark.parametrize(
    ("dates", "question"),
    [
        (["2025-03-01", "2025-04-01"], "has a date in every row"),
    ],
)
def test_dates_that_do_not_show_who_stayed_are_a_question(dates, question):
    assert question in drafted("churn_date", dates)[0]


@pytest.mark.parametrize(
    ("names", "label"),
    [
        (["IsActiveMember", "Exited"], "Exited"),
        (["target", "retained"], "retained"),
        (["Churn Label", "Churn Value", "Churn"], "Churn"),
        (["status", "churned"], "churned"),
        (["gender", "is_active"], "is_active"),
        (["open_tickets", "y"], "y"),
    ],
)
def test_the_most_certain_name_is_the_label(names, label):
    columns = {name: profile(name, ["0", "1"]) for name in names}
    assert find_label(columns) == (label, "")


def test_a_column_of_two_values_is_preferred_to_a_date():
    columns = {
        "churn_date": profile("churn_date", ["2025-03-01", ""]),
        "churn_flag_value": profile("churn_flag_value", ["0", "1"]),
    }
    assert find_label(columns)[0] == "churn_flag_value"


@pytest.mark.parametrize(
    ("name", "values"),
    [("Zamkni\u0119cie", ("TAK", "NIE")), ("status", ("A", "I")), ("flag", ("1", "2"))],
)
def test_no_value_is_guessed_where_the_direction_is_a_question(name, values):
    settings = draft_label("t.csv", profile(name, values)).settings
    assert "set positive to one of" in settings["todo"]
    assert "positive" not in settings


@pytest.mark.parametrize(
    "name", ["predicted_churn", "Churn Score", "churn_probability", "attrition_risk"]
)
def test_another_models_prediction_is_neither_label_nor_feature(name):
    scores = profile(name, ["0.25", "0.75", "0.5", "0.125"])
    flags = profile(name, ["0", "1", "1", "0"])
    churn = profile("left_us_churned", ["0", "1", "0", "0"])
    assert find_label({name: flags, "left_us_churned": churn}) == ("left_us_churned", "")
    for prediction in (scores, flags):
        column = draft_column(prediction)
        assert (column.role, column.review) == (
            "ignore",
            "looks like another model's prediction of churn",
        )


def test_a_prediction_is_the_label_of_a_table_without_another():
    assert find_label({"churn_risk": profile("churn_risk", ["0", "1"])})[0] == "churn_risk"


@pytest.mark.parametrize("name", ["credit_score", "risk_class", "lead score", "health_score"])
def test_other_scores_are_features(name):
    assert draft_column(profile(name, ["1", "2", "3", "5"])).role == "feature"


def test_a_state_of_work_is_no_label():
    work = profile("EmploymentStatus", ["Employed", "Medical Leave", "Retired", "Disabled"])
    wed = profile("Marital Status", ["Single", "Married", "Separated"])
    other = profile("status", ["Working", "On leave", "Retired", "Sick leave"])
    name, question = find_label({c.name: c for c in (work, wed, other)})
    assert name not in {"EmploymentStatus", "status"}
    assert "no column has the name of a churn label" in question


@pytest.mark.parametrize("name", ["LastWorkingDate", "last_working_day", "termination_date"])
def test_a_last_day_that_some_lack_is_asked_for(name):
    days = profile(name, ["2024-01-31", "2024-03-02", "", ""])
    label, question = find_label({name: days, "gender": profile("gender", ["f", "m", "f", "m"])})
    assert label == name
    assert "a date may mean churned: delete todo if it does" in question


@pytest.mark.parametrize("marker", ["No", "Active", "-", "still active", "present", "Nein"])
def test_a_text_in_place_of_a_churn_date_means_stayed(marker):
    column = draft_label("t.csv", profile("churn_date", ["2024-01-31", "2024-03-02", marker]), ())
    assert (column.type, column.settings) == ("Utc", {"nullable": True, "missing": [marker]})


@pytest.mark.parametrize(
    ("name", "value", "outcome"),
    [
        ("churned", "1", ("churned", "stayed")),
        ("churned", "0", ("stayed", "churned")),
        ("Churn", "Yes", ("churned", "stayed")),
        ("Churn", "No", ("stayed", "churned")),
        ("retained", "0", ("churned", "stayed")),
        ("renewed", "Yes", ("stayed", "churned")),
        ("customer_churn", "churned", ("churned", "stayed")),
    ],
)
def test_a_label_of_one_value_is_described(name, value, outcome):
    columns = {name: profile(name, [value]), "plan": profile("plan", ["a"])}
    done, missing = outcome
    expected = f"all 40 customers in '{name}' have {done}: add customers who {missing}"
    assert describe_constant(columns) == expected


@pytest.mark.parametrize(
    ("name", "values"),
    [("churned", ["1", "0"]), ("churned", ["1", ""]), ("churn_score", ["1"]), ("plan", ["1"])],
)
def test_other_columns_are_no_label_of_one_value(name, values):
    assert describe_constant({name: profile(name, values)}) == ""


def test_a_table_of_churned_customers_has_no_guessed_label(tmp_path):
    file = tmp_path / "shop.csv"
    rows = [f"c{n},{'month' if n % 2 else 'year'},{n % 7},1" for n in range(80)]
    file.write_text("\n".join(["customer_id,contract,visits,churned", *rows]) + "\n")
    with pytest.raises(ChurnkitError, match=r"all 80 customers in 'churned' have churned: add"):
        draft_table(file, entity=None, label=None, positive=())
