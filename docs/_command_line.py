"""Write the command line reference from the commands: ``reference/command_line.md``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEAD = """# Command line

Every command prints data to standard output and progress to standard error. `--json` prints JSON where
a command has results.

| Exit code | Meaning |
|---|---|
| 0 | Done |
| 1 | Refused or failed, with a message: bad input, a failed gate, an unreachable database |
| 2 | Internal error of churnkit: please report it |
| 3 | Alarm of `churnkit monitor`: the command worked, and its findings call for a person |
| 130, 143 | Interrupted, terminated by a signal |
"""


def write_reference(folder: Path) -> None:
    """Write the page into the folder, if its content changed."""
    from churnkit.cli.app import build_command

    text = "\n".join([_HEAD, *_sections(build_command(), "churnkit")])
    page = folder / "command_line.md"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def _sections(command: Any, name: str) -> Iterator[str]:
    subcommands = getattr(command, "commands", {})
    if name != "churnkit":
        yield f"## {name}\n"
        yield f"{command.help or ''}\n"
    parameters = [p for p in command.params if p.name != "help" and not getattr(p, "hidden", False)]
    if parameters and not subcommands:
        yield "| Argument or option | Description | Default |\n|---|---|---|"
        yield "\n".join(_row(parameter) for parameter in parameters) + "\n"
    for subname, subcommand in sorted(subcommands.items()):
        if not subcommand.hidden:
            yield from _sections(subcommand, f"{name} {subname}")


def _row(parameter: Any) -> str:
    option = parameter.param_type_name == "option"
    names = ", ".join(f"`{spelling}`" for spelling in parameter.opts)
    label = names if option else f"`{(parameter.metavar or parameter.name).upper()}`"
    default = parameter.default
    shown = "" if default in {None, False} or callable(default) or default == () else f"`{default}`"
    description = (getattr(parameter, "help", None) or "").replace("|", "\\|").replace("\n", " ")
    return f"| {label} | {description} | {shown} |"
