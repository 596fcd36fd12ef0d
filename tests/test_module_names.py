"""Modules are named by words of the glossary or by common words of the field.

A reader should be able to guess a module from its name and to search for the name. A new word
belongs into the glossary if the reader must learn it, or into one of the groups below if the field
uses it. Plurals need no entry of their own.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
COMMON = {
    "statistics and machine learning": """
        ab additive aggregation axes bandit base bdw bg binning blend boosters boosting bootstrap bound baseline
        candidate classification classifier cohort compare concordance confidence correction
        coverage curve cv decomposition drift dual embedding ensemble estimate estimation estimator
        evaluate evaluation exact explain exploration explorer exponential fit fold forest forgetting forward gain gamma
        gate hazard holdout importance inspection interaction interval interventional kaplan kernel kmeans learn learner
        learning likelihood linear logistic matrix maximum meier meta metric model modeling nbd
        newton nuisance numeric objective optuna outcome overlap params pareto partial performance
        policy population posterior power predict prediction primal prior qini quantile random ranker ranking ratio
        reward risk sampling sbg score scorecard scored scoring search segmentation selection
        roc sensitivity sequence shap shapley slice solver special stat subsample sum target test toc train
        training treatment tree truth value weight weighted xgboost ziln
    """,
    "customers, revenue and retention": """
        activity alert approval brand budget bulk capacity churn contact contractual cost customer driver
        eligibility entity exclusion experiment forecast ground health history insight journey lifetime movement mrr
        order period person price profit promotion public purchase realized reason recommend
        redaction remaining report retention revenue rfm scenario segment sentiment session slate snapshot
        subscription survey survival task tenure text ticket tokenize topic varying voice worklist
    """,
    "data and files": """
        ahead arrow as batch block cache cast category cell checkpoint code column contents csv
        data database dataset date delete derived dialect download duckdb encode encoded encoder encoding
        entry event excel exit export extra feature field file filter folder form format frame from id index insert io
        json key label lakehouse layout leaf level line list loader locale location log logged member merge migration npy number
        numpy of off operation output object open parquet python parser parsing pdf predicate profile prune query range raw reader
        record recorder remote repeated result row rule scalar schema serialization signature source spool sql state store
        streaming summary table time timeline total transform ubjson uri validate validation version view violation
        window write writer
    """,
    "programs and services": """
        access action aggregate allocate allocation and api app argument atomic auth autologging bar bento
        bitmask body build bundle calendar card catboost chart check choice cli commit competing compile compiled
        compiler compression console context control core counter cross cumulative dask decide deciding decision declaration
        demo detail diff difference digest display doctor document draft drain draw engine erase error example
        expression figure find finding floor gather git head html http idempotency identity incidence information init initial
        input interop job lazy ledger lightgbm limit loaded lock login main manifest map markdown
        measured mirror mlflow monitor monitoring mount multiprocess name numba observability one
        openapi openid option origin overrides pack page pandera part pass path pipeline plan planning plot
        precondition preset problem process program project pyfunc quiet rank rate reference regex registry
        reload reloader replacement request response role route run scaffold scikit section serve server service
        set setting shadow signal supervisor signing simulate simulation spark spelling split standard statement step svg
        team template
        thread timeout topology tracking translation traversal unit user walk warning watch worker
    """,
    "connections to other programs": """
        amplitude bigquery billing chargebee client clock connect connection crm delighted delivery
        description destination email endpoint erased fivetran hook hubspot ingestion intercom
        klaviyo message mixpanel outbox paging posthog provider pull push qualtrics recipient
        salesforce secret segment slack stream stripe support surveymonkey transport trustpilot
        typeform webhook zendesk analytics braze send
    """,
}


def glossary():
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"(?m)^(\S.*)\n: ", text)
    return {word for term in terms for word in re.findall(r"[a-z0-9]+", term.lower())}


def module_words():
    listed = subprocess.run(
        ["git", "ls-files", "churnkit/*.py"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("this is not a clone of the repository")
    for name in listed.stdout.split():
        path = Path(name).with_suffix("")
        for part in path.parts[1:]:
            for word in part.strip("_").split("_") if part != "__init__" else ():
                yield word, name


@pytest.mark.quality
def test_module_names_are_made_of_the_fields_words():
    words = glossary() | {word for group in COMMON.values() for word in group.split()}
    unknown = [
        f"{name}: {word}"
        for word, name in module_words()
        if word not in words
        and word.removesuffix("s") not in words
        and word.removesuffix("es") not in words
        and word.removesuffix("ies") + "y" not in words
    ]
    assert unknown == []
