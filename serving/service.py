"""The prediction service of this project: churnkit's application, mounted in BentoML.

It serves the model that CHURNKIT_MODEL names, else the one packed in its Bento, else the
champion of the project's only model. Settings come from the environment: see docs/serving.md.
"""

from pathlib import Path

import bentoml

from churnkit.core.project import find_project
from churnkit.server import BentoMount, Settings, create_app, find_model

service_model = find_model(__file__)
app = create_app(
    service_model.model,
    settings=Settings.from_environment(follow=service_model.source, log="json"),
    project=find_project(Path(__file__).parent),
)


# The application has its own metrics, log and limits; BentoML's log would record every path.
@bentoml.service(
    name="churnkit",
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 15},
    workers=max(app.settings.workers, 1),
)
@bentoml.asgi_app(BentoMount(app), path="/")
class Retention:
    """Churn probabilities, the reasons for them, and the actions that pay."""

    model = bentoml.models.BentoModel(service_model.tag)

    @bentoml.on_startup
    async def start(self) -> None:
        """Start following the champion and writing the decision log."""
        await app.startup()

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Write the rest of the decision log."""
        await app.shutdown()
