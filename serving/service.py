"""The prediction service of this project: churnkit's application, mounted in BentoML.

It serves the model that CHURNKIT_MODEL names, else the one packed in its Bento, else the
champion of the project's only model. Settings come from the environment: see docs/serving.md.
"""

from pathlib import Path

import bentoml

from churnkit.core.project import find_project
from churnkit.server import Mounted, Settings, create_app, find_model

found = find_model(__file__)
app = create_app(
    found.model,
    settings=Settings.from_environment(follow=found.source, log="json"),
    project=find_project(Path(__file__).parent),
)


# The application counts, logs and limits for itself: BentoML's own log would keep every path.
@bentoml.service(
    name="churnkit",
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 15},
    workers=max(app.settings.workers, 1),
)
@bentoml.asgi_app(Mounted(app), path="/")
class Retention:
    """Who is likely to leave, why, and which action pays."""

    model = bentoml.models.BentoModel(found.tag)

    @bentoml.on_startup
    async def start(self) -> None:
        """Follow the champion, and write what waits to be written."""
        await app.startup()

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Write the rest."""
        await app.shutdown()
