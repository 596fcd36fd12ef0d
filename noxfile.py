"""Sessions that contributors, the pre-commit hooks, ``.ci/run`` and the workflow share.

List them with ``nox --list``; run one with ``nox -s lint``. Options of pytest follow two dashes:
``nox -s tests-3.13 -- tests/models -x``.
"""

from __future__ import annotations

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "docs", "tests-3.11"]

PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
OLDEST_PYTHON = PYTHONS[0]
ENVIRONMENT = {
    # OpenMP spins when several workers share a core.
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
TEST_TOOLS = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]["test"]
# Tests whose outcome depends on versions, and not on servers or tools. Properties hold for values
# that Hypothesis draws, whichever the versions.
PORTABLE = "not (slow or server or quality or browser or spark or hypothesis)"


def tool(name: str) -> str:
    """Return the requirement of a tool as the extra ``test`` states it."""
    return next(text for text in TEST_TOOLS if text.startswith(f"{name}>"))


# The oldest dependencies must have what the code calls. These tests do not depend on that, and the
# newest dependencies suffice for them.
LEFT_TO_NEWEST = (
    # Arithmetic on arrays, for which the examples in docstrings show that numpy has what it calls.
    "tests/datasets", "tests/decisions", "tests/evaluation", "tests/models/bandit",
    "tests/models/value",
    # Kernels, whose tests compare engines of this library.
    "tests/trees", "churnkit/trees",
    # Pages, attacks and HTTP.
    "tests/docs", "tests/security", "tests/server",
)  # fmt: skip


def run_pytest(session: nox.Session, *options: str) -> None:
    """Run pytest in parallel with the options of the session and of the command line."""
    session.run(
        "python", "-m", "pytest", "-q", "-n", "auto", "--dist", "loadfile", *options,
        *session.posargs, env=ENVIRONMENT,
    )  # fmt: skip


def install_oldest(session: nox.Session) -> None:
    """Install the oldest supported dependencies, by uv, which can choose them."""
    session.install(
        "--compile-bytecode", "--resolution", "lowest-direct", "-e", ".[all,spark,test]"
    )


@nox.session(python=OLDEST_PYTHON)
def lint(session: nox.Session) -> None:
    """Check style, format, and which package imports which."""
    session.install(tool("ruff"), tool("import-linter"))
    session.install("--no-deps", "-e", ".")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("lint-imports")


@nox.session(python=OLDEST_PYTHON)
def types(session: nox.Session) -> None:
    """Check the types of the library, the project, the benchmarks and the tests.

    Editors show what pyright infers, so every public name must have a type that it knows.
    """
    session.install("-e", ".[all,test]", "pyright[nodejs]>=1.1.400")
    session.run("mypy", *session.posargs)
    session.run("pyright", "--verifytypes", "churnkit", "--ignoreexternal")


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests that this machine can run, with the newest dependencies."""
    session.install("-e", ".[all,test]")
    run_pytest(session, "--durations=10")


@nox.session(python=OLDEST_PYTHON, venv_backend="uv")
def tests_oldest(session: nox.Session) -> None:
    """Run the tests that depend on versions of others, with the oldest supported dependencies."""
    install_oldest(session)
    session.run("python", "-c", "import pandas; print('pandas', pandas.__version__)")
    ignored = [f"--ignore={folder}" for folder in LEFT_TO_NEWEST]
    run_pytest(session, "-m", PORTABLE, *ignored)


@nox.session(python=OLDEST_PYTHON, venv_backend="uv")
def tests_spark(session: nox.Session) -> None:
    """Run the tests on Spark, which pyspark 4 supports with pandas 2."""
    install_oldest(session)
    session.run(
        "python", "-m", "pytest", "-q", "-m", "spark", "tests/timeline", "tests/batch",
        "tests/insights", "tests/docs", *session.posargs, env=ENVIRONMENT,
    )  # fmt: skip


@nox.session(python=OLDEST_PYTHON)
def tests_feast(session: nox.Session) -> None:
    """Run the tests with Feast, which requires pandas 2 and older clients than the other extras."""
    session.install("-e", ".", "feast>=0.60", "pytest")
    session.run(
        "python", "-m", "pytest", "-q", "tests/timeline/test_feast.py", *session.posargs,
        env=ENVIRONMENT,
    )  # fmt: skip


@nox.session(python=OLDEST_PYTHON)
def statistics(session: nox.Session) -> None:
    """Measure the error rates of all intervals and verdicts, with ten times the usual runs."""
    session.install("-e", ".[all,test,test-peers]")
    session.run(
        "python", "-m", "pytest", "-q", "-n", "2", "tests/statistics", "tests/models/test_peers.py",
        "tests/models/uplift/test_peer_learners.py",
        *session.posargs,
        env={**ENVIRONMENT, "CHURNKIT_STATISTICS_SCALE": "10"},
    )  # fmt: skip


@nox.session(python=OLDEST_PYTHON)
def fuzz(session: nox.Session) -> None:
    """Read changed inputs with every parser, a minute each."""
    session.install("-e", ".[all,accurate,test]")
    session.run(
        "python", "-m", "pytest", "-q", "tests/security", *session.posargs,
        env={**ENVIRONMENT, "CHURNKIT_FUZZ_SECONDS": "60"},
    )  # fmt: skip


@nox.session(python=OLDEST_PYTHON)
def coverage(session: nox.Session) -> None:
    """Measure which lines and branches the tests reach."""
    session.install("-e", ".[all,test]")
    session.run(
        "coverage", "run", "-m", "pytest", "-q", "-m", PORTABLE, *session.posargs, env=ENVIRONMENT
    )
    session.run("coverage", "report")


@nox.session(python=OLDEST_PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation, warnings as errors; with the public data, run its examples too."""
    session.install("-e", ".[all,test]")
    session.run(
        "python", "-m", "sphinx", "-W", "--keep-going", "-q", *session.posargs, "docs", "build/docs",
        env=ENVIRONMENT,
    )  # fmt: skip
