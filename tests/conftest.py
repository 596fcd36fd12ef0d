"""Shared fixtures and settings: threads, public data, servers, and skips that fail in CI."""

from __future__ import annotations

import contextlib
import csv
import importlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import warnings

# Set before a library reads them: OpenMP spins when cores are contended.
for _name, _setting in {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}.items():
    os.environ.setdefault(_name, _setting)

from pathlib import Path  # noqa: E402
from urllib.parse import quote  # noqa: E402

import numpy as np  # noqa: E402
import pytest  # noqa: E402

ALL = os.environ.get("CHURNKIT_TEST_ALL") == "1"

with contextlib.suppress(ImportError):
    from hypothesis import settings

    # A deadline per example measures the machine's load, not the code.
    settings.register_profile("churnkit", deadline=None)
    settings.load_profile("churnkit")


def pytest_configure(config):
    # pytest-xdist would start with the files of most tests and end with the slow ones.
    config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Start one process more than processors, since tests of servers and browsers often wait."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Start with the files of slow tests where processes share the files: they end together."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        marks = ("slow", "browser", "statistics")
        slow = {item.path for item in items if any(map(item.get_closest_marker, marks))}
        items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder with the public data sets."""
    folder = os.environ.get("CHURNKIT_DATA_DIR")
    if not folder or not Path(folder).is_dir():
        pytest.skip("no public data sets: CHURNKIT_DATA_DIR is not set")
    return Path(folder)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Turn a skip into a failure if CHURNKIT_TEST_ALL=1."""
    report = yield
    if ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CHURNKIT_TEST_ALL=1: {report.longrepr}"
    return report


@pytest.fixture(scope="session")
def bento_home(tmp_path_factory):
    """BentoML home of this session, set before BentoML reads it."""
    home = tmp_path_factory.mktemp("bentoml")
    before = {name: os.environ.get(name) for name in ("BENTOML_HOME", "BENTOML_DO_NOT_TRACK")}
    os.environ["BENTOML_HOME"] = str(home)
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    # Imports of BentoML emit deprecation warnings of other packages.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        importlib.import_module("bentoml.models").list()
        importlib.import_module("bentoml").list()
    yield home
    for name, value in before.items():
        if value is None:
            os.environ.pop(name)
        else:
            os.environ[name] = value


@pytest.fixture(scope="session")
def spark():
    """Spark session in this process with two threads, on loopback."""
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed (extra 'spark')")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Java is not installed")
    # Workers use this environment, not the first python3 on the path.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    session = (
        sql.SparkSession.builder.master("local[2]")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.ui.enabled", "false")
        # The compiler that starts fast: each query here runs once.
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.session.timeZone", "America/New_York")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


SHOP_SCHEMA = '''"""A small shop's customers."""

from churnkit.contracts import Schema, account, context, entity, feature, label, parent, pii


class Shop(Schema):
    customer_id: str = entity("Customer")
    email: str = pii("E-mail")
    company: str = account("Company", nullable=True)
    holding: str = parent("Holding", nullable=True)
    plan: str = feature("Plan", phrase="{value} plan", isin=["basic", "plus", "pro"])
    city: str = feature("City", nullable=True)
    tenure_months: int = feature("Customer for", unit="months", ge=0)
    mrr: float = feature("Monthly revenue", unit="EUR a month", also=("value",), ge=0)
    may_call: bool = context("May be called")
    churned: bool = label("Left")
'''
SHOP_RECIPE = '''"""Who leaves the shop."""

from churnkit.decisions import Action, Catalogue, Effect, Step, Where
from churnkit.models import ChurnClassifier
from churnkit.pipeline import Recipe
from schemas.shop import Shop

recipe = Recipe(
    schema=Shop,
    data="customers.csv",
    model=ChurnClassifier(profile="fast"),
    actions=Catalogue(
        (
            Action(
                "call", "A call", 5.0, Effect(0.1, 0.2, 0.3), (Where("may_call", "==", True),),
                steps=(Step(0, "Write an e-mail"), Step(5, "Call", "no_answer")),
            ),
        )
    ),
)
'''


def shop_rows(count, *, seed=0):
    """Customers of a small shop; new ones and those with a basic plan churn more."""
    generator = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        plan = ("basic", "plus", "pro")[generator.integers(3)]
        tenure = int(generator.integers(0, 60))
        risk = 1.0 / (1.0 + np.exp(-(1.5 * (plan == "basic") - 0.12 * tenure + 1.0)))
        rows.append(
            {
                "customer_id": f"idcanary{seed}x{number:05d}",
                "email": f"mailcanary{number}@example.org",
                "plan": plan,
                "city": ("Bern", "Oslo", "")[generator.integers(3)],
                "tenure_months": tenure,
                "mrr": float(generator.integers(20, 400)) / 4.0,
                "may_call": bool(generator.integers(2)),
                "churned": bool(generator.random() < risk),
            }
        )
    return rows


def write_csv(path, rows, **settings):
    with path.open("w", newline="", encoding=settings.pop("encoding", "utf-8")) as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n", **settings)
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.fixture(scope="session")
def rows_of_shop():
    return shop_rows


@pytest.fixture(scope="session")
def customers_of_shop():
    """Function that returns today's customers: rows of the shop without the label."""

    def customers(count, *, seed=0):
        return [
            {name: cell for name, cell in row.items() if name != "churned"}
            for row in shop_rows(count, seed=seed)
        ]

    return customers


@pytest.fixture(scope="session")
def to_csv():
    return write_csv


@pytest.fixture(scope="session")
def migrated_store(tmp_path_factory):
    """MLflow database of a new project, to copy; creating one takes seconds."""
    pytest.importorskip("mlflow", reason="the extra 'train' is not installed")
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.core.project import Project

    project = Project(tmp_path_factory.mktemp("store"))
    with quiet_mlflow():
        Registry(project).client.search_experiments()
    return project.store / "mlflow.db"


@pytest.fixture(scope="session")
def make_shop(migrated_store):
    """Create a shop's project in a folder: schema, recipe, table, store."""

    def make(folder, *, rows=None, recipe=SHOP_RECIPE):
        from churnkit.core.project import Project

        for name, text in (("schemas/shop.py", SHOP_SCHEMA), ("training/shop.py", recipe)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        write_csv(folder / "customers.csv", shop_rows(500) if rows is None else rows)
        (folder / ".churnkit").mkdir()
        shutil.copyfile(migrated_store, folder / ".churnkit" / "mlflow.db")
        return Project(folder)

    return make


@pytest.fixture(scope="session")
def trained_shop(make_shop, tmp_path_factory):
    """Project of a shop with a champion; shared, so tests must not change it."""
    from churnkit.pipeline import load_recipe, train

    project = make_shop(tmp_path_factory.mktemp("shop"))
    result = train(load_recipe(project.root / "training" / "shop.py"))
    assert result.promoted
    return project, result


@pytest.fixture(scope="session")
def shop_model(trained_shop):
    from churnkit.bundle import load
    from churnkit.bundle.registry.quiet import quiet_mlflow

    project, _ = trained_shop
    with quiet_mlflow():
        return load("models:/shop@champion", project=project)


def _move_store(database, before, after):
    """Replace paths of files in MLflow's database."""
    with contextlib.closing(sqlite3.connect(database)) as store, store:
        tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for column in store.execute(f"PRAGMA table_info({table})").fetchall():
                if "CHAR" in column[2].upper() or "TEXT" in column[2].upper():
                    store.execute(
                        f"UPDATE {table} SET {column[1]} = replace({column[1]}, ?, ?)",  # noqa: S608
                        (str(before), str(after)),
                    )


@pytest.fixture
def shop_copy(trained_shop, tmp_path):
    """Copy of a shop's project with a champion, which the test may change."""
    from churnkit.core.project import Project

    project = Project(tmp_path / "shop")
    # Outputs of other tests are not this copy's: an erasure would search them.
    notes = shutil.ignore_patterns("outputs.json")
    shutil.copytree(trained_shop[0].root, project.root, ignore=notes)
    _move_store(project.store / "mlflow.db", trained_shop[0].root, project.root)
    return project


def _binaries():
    """Find PostgreSQL's programs in Debian's folder or on the path."""
    homes = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: float(p.parent.name))
    for home in reversed(homes):
        if (home / "initdb").is_file():
            return home
    initdb = shutil.which("initdb")
    return Path(initdb).resolve().parent if initdb else None


def _as_user():
    """Return the user to run as: PostgreSQL refuses root, so Debian's user `postgres`."""
    if os.getuid() != 0:
        return {}
    import pwd

    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user 'postgres'")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres():
    """SQLAlchemy URL of a PostgreSQL server on a private socket."""
    pytest.importorskip("psycopg", reason="the extra 'postgres' is not installed")
    home = _binaries()
    if home is None:
        pytest.skip("PostgreSQL is not installed")
    user = _as_user()
    folder = Path(tempfile.mkdtemp(prefix="churnkit-postgres-"))
    try:
        if user:
            os.chown(folder, user["user"], user["group"])
        output = (folder / "output").open("wb")
        data = str(folder / "data")

        def run(*command):
            done = subprocess.run(
                list(command), cwd=folder, stdout=output, stderr=output, check=False, **user
            )
            assert done.returncode == 0, (folder / "output").read_text()

        run(home / "initdb", "-D", data, "-U", "churnkit", "-A", "trust", "-N", "-E", "UTF8")
        server = f"-k {folder} -c listen_addresses= -c fsync=off -c max_connections=60"
        run(home / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", server, "start")
        try:
            yield f"postgresql://churnkit@/postgres?host={quote(str(folder))}"
        finally:
            run(home / "pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")
            output.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# Texts of visible charts that are cut by the edge or overlap.
COLLISIONS = """() => {
  const found = [];
  for (const picture of document.querySelectorAll('.plot svg[role]')) {
    const frame = picture.getBoundingClientRect();
    if (!frame.width) continue;
    const boxes = [...picture.querySelectorAll('text')].map(
      (text) => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([words, box], index) => {
      if (box.left < frame.left - 1 || box.right > frame.right + 1 ||
          box.top < frame.top - 1 || box.bottom > frame.bottom + 1)
        found.push('cut: ' + words);
      for (const [other, next] of boxes.slice(index + 1))
        if (box.left < next.right - 1 && next.left < box.right - 1 &&
            box.top < next.bottom - 3 && next.top < box.bottom - 3)
          found.push('overlap: ' + words + ' / ' + other);
    });
  }
  return found;
}"""
# Boxes that exceed the window without scrolling, and neighboring boxes that overlap.
OVERFLOWS = """() => {
  const found = [];
  for (const node of document.querySelectorAll('main *, header *')) {
    // Texts for screen readers alone have no visible box.
    if (node.closest('.scroll, svg, .unseen')) continue;
    const box = node.getBoundingClientRect();
    const name = node.className || node.tagName;
    if (box.width && (box.right > innerWidth + 1 || box.left < -1)) found.push(name);
    if (node.scrollWidth > node.clientWidth + 2 && node.clientWidth && getComputedStyle(node).display !== 'inline')
      found.push('wider than its box: ' + name);
  }
  for (const node of document.querySelectorAll('main :is(p, li, td, th, span, dd)')) {
    const text = [...node.childNodes].some((part) => part.nodeType === 3 && part.data.trim().length > 12);
    const box = node.getBoundingClientRect();
    if (text && box.width && box.width < 40 && box.height > 120) found.push('squeezed: ' + node.innerText.slice(0, 30));
  }
  // The console's tables fit the window, on small screens as cards, so that no column is hidden.
  for (const node of document.querySelectorAll('.console .scroll'))
    if (node.scrollWidth > node.clientWidth + 2) found.push('cut: ' + node.ariaLabel);
  for (const group of document.querySelectorAll('.figures, .cards, section')) {
    const boxes = [...group.children].map((child) => child.getBoundingClientRect());
    boxes.forEach((a, index) => boxes.slice(index + 1).forEach((b) => {
      if (a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1)
        found.push('overlap in ' + group.className + group.id);
    }));
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser():
    """Headless Chromium; while it is open, tests cannot run an event loop."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed (extra 'test')"
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def looks():
    """Function that shows an open page at each width, light and dark, and names what it shows."""

    def shown(page):
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (390, 768, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                yield f"{scheme}, {width} px"

    return shown


@pytest.fixture(scope="session")
def faults_of():
    """Function that lists layout faults of a page: cut, overlapping or overflowing boxes."""

    def faults(page):
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        wider = [f"the page is {wide} px wider than the window"] if wide > 0 else []
        return [*wider, *page.evaluate(COLLISIONS), *page.evaluate(OVERFLOWS)]

    return faults


@pytest.fixture(scope="session")
def axe(tmp_path_factory):
    """Function that lists a page's accessibility faults of any grade by axe-core."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed, which downloads axe-core")
    folder = tmp_path_factory.mktemp("axe")
    fetched = subprocess.run(
        ["npm", "pack", "axe-core@4", "--silent", "--cache", str(folder / "cache")],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if fetched.returncode:
        pytest.skip("npm cannot download axe-core")
    (packed,) = folder.glob("axe-core-*.tgz")
    with tarfile.open(packed) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        rules = member.read().decode()

    def faults(page):
        if page.evaluate("typeof axe === 'undefined'"):
            page.evaluate(rules)
        result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            (fault["id"], fault["impact"], fault["nodes"][0]["html"][:120])
            for fault in result["violations"]
        ]

    return faults
