"""``churnkit serve``."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from churnkit.cli.customers.learn import states_of
from churnkit.cli.options import ModelName, load_model
from churnkit.cli.output import print_next, say

__all__ = ["serve"]


def serve(
    model: ModelName = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 for any free port.")] = 3000,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A file of API keys, see churnkit keys add; needed for other addresses than "
            "this machine's.",
        ),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Decide at the prices that churnkit plan --prices writes here."
        ),
    ] = None,
) -> None:
    """Pack the champion into a Bento and serve it until interrupted.

    A newer champion is taken over while it runs.
    """
    from churnkit.core.project import find_project
    from churnkit.pipeline.project_templates import serving_folder
    from churnkit.server import Settings, pack
    from churnkit.server import serve as start
    from churnkit.server.auth.access_control import refuse_public_host

    settings = {
        name: str(path.absolute())
        for name, path in (("CHURNKIT_KEYS", keys), ("CHURNKIT_PRICES", prices))
        if path is not None
    }
    chosen = Settings.from_environment({**os.environ, **settings})
    refuse_public_host(host, keys=chosen.keys, is_open=chosen.open)
    loaded = load_model(model)
    if loaded.contents.ranker is not None and chosen.bandit is None:
        settings["CHURNKIT_BANDIT"] = str(states_of(loaded.name).absolute())
    say(f"packing {loaded.name} ({(loaded.digest or '')[:19]}) into a Bento")
    tag = pack(loaded, name=loaded.name, serving=serving_folder(find_project().root))
    say(f"starting {tag}")
    with ExitStack() as stack:
        settings |= stack.enter_context(_followed(model, loaded.name, chosen.poll_seconds))
        service = stack.enter_context(start(tag, host=host, port=port or None, settings=settings))
        say(f"ready: {service.url}/v1/predict; stop with Ctrl-C")
        print_next(f"curl {service.url}/v1/model")
        # Set anew: a library may have left it such that waiting goes on after Ctrl-C.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        try:
            service.wait()
        except KeyboardInterrupt:
            say("stopped")


@contextmanager
def _followed(model: str | None, name: str, seconds: float) -> Iterator[dict[str, str]]:
    """Follow what ``--model`` names, if it can come to mean another version."""
    if model is not None and Path(model).is_dir():
        yield {"CHURNKIT_FOLLOW": str(Path(model).absolute())}
        return
    fixed = model is not None and ":" in model and "@" not in model
    if fixed or not seconds:
        yield {}
        return
    from churnkit.bundle import Registry
    from churnkit.bundle.registry.quiet import quiet_mlflow
    from churnkit.server.reload.registry_mirror import RegistryMirror

    alias = model.rpartition("@")[2] if model is not None and "@" in model else "champion"
    with TemporaryDirectory(prefix="churnkit-champion-") as folder:
        with quiet_mlflow():
            mirror = RegistryMirror(Registry(), name, alias, Path(folder))
            mirror.look()
        with mirror.following(seconds, say):
            yield {"CHURNKIT_FOLLOW": str(mirror.link)}
