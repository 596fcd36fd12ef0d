from .contents import ModelContents as ModelContents
from .model import RetentionModel as RetentionModel
from .registry.mlflow import Registry as Registry
from .registry.mlflow import Version as Version
from .registry.model_uri import load as load

__all__: list[str]
