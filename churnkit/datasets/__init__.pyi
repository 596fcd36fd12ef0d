from .public.registry import PublicDataset as PublicDataset
from .public.registry import PublicFile as PublicFile
from .public.registry import fetch as fetch
from .public.registry import load as load
from .public.registry import public_datasets as public_datasets
from .simulation.ground_truth import Truth as Truth
from .simulation.simulate import Simulation as Simulation
from .simulation.simulate import simulate as simulate

__all__: list[str]
