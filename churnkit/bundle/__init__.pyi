from .contents import Parts as Parts
from .model import RetentionModel as RetentionModel
from .model_uri import load as load
from .registry.mlflow import Registry as Registry
from .registry.mlflow import Version as Version

__all__ = ["Parts", "Registry", "RetentionModel", "Version", "load"]
