"""``churnkit serve``."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from churnkit.cli.options import ModelName, bandit_folder, load_model, open_registry
from churnkit.cli.output import print_next, print_status

__all__ = ["serve"]


class LogFormat(StrEnum):
    """Format of the log on the terminal."""

    JSON = "json"
    TEXT = "text"


def serve(
    model: ModelName = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port; 0 for any free one.")] = 3000,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    keys: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="File of API keys, from churnkit keys add; required if other machines can "
            "connect.",
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="TOML file of settings; environment variables win."
        ),
    ] = None,
    log: Annotated[
        LogFormat | None,
        typer.Option(help="Print the log of the service on stderr, as JSON lines or text."),
    ] = None,
    prices: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="File of shadow prices, from churnkit plan --prices."),
    ] = None,
) -> None:
    """Pack the champion into a Bento and serve it until interrupted.

    A newer champion is loaded while the service runs.
    """
    from churnkit.core.project import find_project
    from churnkit.pipeline.project_templates import serving_folder
    from churnkit.server import Settings, pack
    from churnkit.server import serve as start_service
    from churnkit.server.auth.access_control import refuse_public_host
    from churnkit.server.settings import unknown_settings

    environment = {
        name: str(path.absolute())
        for name, path in (
            ("CHURNKIT_KEYS", keys),
            ("CHURNKIT_PRICES", prices),
            ("CHURNKIT_CONFIG", config),
        )
        if path is not None
    }
    if log is not None:
        environment["CHURNKIT_LOG"] = log.value
    report = _report_lines if log is LogFormat.JSON else print_status
    settings = Settings.from_environment({**os.environ, **environment})
    for unknown, similar in unknown_settings({**os.environ, **environment}).items():
        report(f"WARNING: {unknown} is no setting{f': use {similar}' if similar else ''}")
    refuse_public_host(host, keys=settings.keys, is_open=settings.open)
    loaded = load_model(model)
    if loaded.contents.ranker is not None and settings.bandit is None:
        environment["CHURNKIT_BANDIT"] = str(bandit_folder(loaded.name).absolute())
    report(f"packing {loaded.name} ({(loaded.digest or '')[:19]}) into a Bento")
    tag = pack(loaded, name=loaded.name, serving=serving_folder(find_project().root))
    report(f"starting {tag}")
    with ExitStack() as stack:
        environment |= stack.enter_context(
            _follow_model(model, loaded.name, settings.poll_seconds, report)
        )
        service = stack.enter_context(
            start_service(
                tag,
                host=host,
                port=port or None,
                settings=environment,
                echo=None if log is None else report,
            )
        )
        report(f"ready: {service.url}/v1/predict; stop with Ctrl-C")
        if log is not LogFormat.JSON:
            print_next(f"curl {service.url}/v1/model")
        # Installed again: a library may have set it so that waiting continues after Ctrl-C.
        signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
        try:
            service.wait()
        except KeyboardInterrupt:
            report("stopped")


def _report_lines(text: str) -> None:
    """Print a line as JSON, so that all of stderr can be read as JSON lines."""
    from churnkit.server.observability.log_stream import as_json_line

    typer.echo(as_json_line(text, logger="churnkit.cli"), err=True)


@contextmanager
def _follow_model(
    model: str | None, name: str, seconds: float, report: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """Yield the service's environment to follow a folder or an alias; empty for a fixed version."""
    if model is not None and Path(model).is_dir():
        yield {"CHURNKIT_FOLLOW": str(Path(model).absolute())}
        return
    is_fixed = model is not None and ":" in model and "@" not in model
    if is_fixed or not seconds:
        yield {}
        return
    from churnkit.server.reload.registry_mirror import RegistryMirror

    alias = model.rpartition("@")[2] if model is not None and "@" in model else "champion"
    with TemporaryDirectory(prefix="churnkit-champion-") as folder:
        with open_registry() as registry:
            mirror = RegistryMirror(registry, name, alias, Path(folder))
            mirror.look()
        with mirror.following(seconds, report):
            yield {"CHURNKIT_FOLLOW": str(mirror.link)}
