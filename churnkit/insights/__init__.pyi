from .figure import Figure as Figure
from .health.decomposition import HealthParts as HealthParts
from .health.decomposition import explain_health as explain_health
from .metrics.retention import RetentionMetrics as RetentionMetrics
from .metrics.retention import measure_retention as measure_retention
from .metrics.retention import retention_metrics as retention_metrics
from .metrics.settings import RetentionSettings as RetentionSettings
from .metrics.surveys import measure_satisfaction as measure_satisfaction
from .metrics.treatment_effects import measure_effects as measure_effects
from .segmentation.kmeans import Clusters as Clusters
from .spark import open_spark_session as open_spark_session
from .sql_session import InsightsSession as InsightsSession
from .sql_session import open_session as open_session
from .table_layouts import LAYOUTS as LAYOUTS
from .text.embeddings import load_embedder as load_embedder
from .text.sentiment import Sentiment as Sentiment
from .text.topics import Themes as Themes
from .text.topics import find_themes as find_themes
from .text.voice_of_customer import measure_themes as measure_themes

__all__: list[str]
