from .contents import ModelContents as ModelContents
from .model import RetentionModel as RetentionModel
from .model_uri import load as load
from .registry.mlflow import Registry as Registry
from .registry.mlflow import Version as Version

__all__: list[str]
