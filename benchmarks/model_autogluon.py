"""Fit AutoGluon on ``train.parquet`` and write the probabilities of ``test.parquet``.

Runs in AutoGluon's environment. Arguments: the folder, the label's column, the time limit in
seconds.
"""

from __future__ import annotations

import json
import sys
from importlib import metadata
from pathlib import Path

import pandas as pd


def main() -> None:
    from autogluon.tabular import TabularPredictor

    folder, label, seconds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    train = pd.read_parquet(folder / "train.parquet")
    predictor = TabularPredictor(
        label=label,
        problem_type="binary",
        eval_metric="log_loss",
        path=str(folder / "models"),
        verbosity=0,
    ).fit(
        train,
        presets="best_quality",
        time_limit=seconds,
        num_cpus=1,
        num_gpus=0,
        # One process, so that the CPU seconds are those of this process.
        ds_args={"memory_safe_fits": False},
        ag_args_ensemble={"fold_fitting_strategy": "sequential_local"},
    )
    rows = pd.read_parquet(folder / "test.parquet")
    probability = predictor.predict_proba(rows)[1].to_numpy()
    pd.DataFrame({"probability": probability}).to_parquet(folder / "probability.parquet")
    print(
        json.dumps(
            {
                "version": metadata.version("autogluon.tabular"),
                "models": len(predictor.model_names()),
                "best": predictor.model_best,
            }
        )
    )


if __name__ == "__main__":
    main()
