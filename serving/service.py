"""The prediction service of this project: churnkit's application, mounted in BentoML.

It serves the model that CHURNKIT_MODEL names, else the one packed in its Bento, else the
champion of the project's only model.
"""

import bentoml

from churnkit.server import create_app, find_model

found = find_model(__file__)


# The application counts and logs for itself: BentoML's own would keep the path of every request.
@bentoml.service(
    name="churnkit",
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    traffic={"timeout": 60},
)
@bentoml.asgi_app(create_app(found.model), path="/")
class Retention:
    """Who is likely to leave, why, and which action pays."""

    model = bentoml.models.BentoModel(found.tag)
