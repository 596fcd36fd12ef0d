from .app import App as App
from .app import create_app as create_app
from .bento.find_model import ServiceModel as ServiceModel
from .bento.find_model import find_model as find_model
from .bento.mount import BentoMount as BentoMount
from .bento.pack import pack as pack
from .bento.serve import Server as Server
from .bento.serve import serve as serve
from .settings import Settings as Settings

__all__: list[str]
