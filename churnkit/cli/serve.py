"""``churnkit serve``."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Annotated

import typer

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
) -> None:
    """Pack the champion into a Bento and serve it until interrupted."""
    from churnkit.bundle import find_project
    from churnkit.pipeline.templates import serving_folder
    from churnkit.server import Settings, pack
    from churnkit.server import serve as start
    from churnkit.server.gate import refuse_open_door

    settings = {"CHURNKIT_KEYS": str(keys)} if keys else {}
    chosen = Settings.from_environment({**os.environ, **settings})
    refuse_open_door(host, keys=chosen.keys, unlocked=chosen.open)
    loaded = load_model(model)
    say(f"packing {loaded.name} ({(loaded.digest or '')[:19]}) into a Bento")
    tag = pack(loaded, name=loaded.name, serving=serving_folder(find_project().root))
    say(f"starting {tag}")
    with start(tag, host=host, port=port or None, settings=settings) as service:
        say(f"ready: {service.url}/v1/predict; stop with Ctrl-C")
        print_next(f"curl {service.url}/v1/model")
        # Set anew: a library may have left it such that waiting goes on after Ctrl-C.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        try:
            service.wait()
        except KeyboardInterrupt:
            say("stopped")
