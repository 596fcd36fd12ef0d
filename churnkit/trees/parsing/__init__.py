"""Parse fitted boosters of LightGBM and CatBoost."""
