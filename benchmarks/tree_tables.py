"""The figures of the trees' benchmark as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benchmarks.tree_peers import TURNS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["describe"]


def _table(title: str, figures: Any, unit: Callable[[Any], str], more: Any = None) -> list[str]:
    lines = [f"| {title} | against LightGBM |", "|---|---:|---:|"]
    for name, figure in figures.items():
        lines.append(f"| {name} | {unit(figure)} | {figure['against_lightgbm']:.2f} |")
    for name, peer in (more or {}).items():
        cell = f"{peer['rows_a_cpu_second']:,.0f}" if "failed" not in peer else "cannot convert it"
        ratio = f"{peer['against_lightgbm']:.2f}" if "failed" not in peer else ""
        lines.append(f"| {name} {peer['version']} | {cell} | {ratio} |")
    return [*lines, ""]


def _size_table(models: dict[str, Any]) -> list[str]:
    """Write the rows a CPU-second of each scorer, the most of each model in bold."""
    names = list(dict.fromkeys(name for model in models.values() for name in _rates(model)))
    lines = [f"| rows a CPU-second | {' | '.join(names)} |", f"|---|{'---:|' * len(names)}"]
    for model, figures in models.items():
        rates = _rates(figures)
        most = max(rates.values())
        cells = [
            "" if name not in rates else f"**{rate:,.0f}**" if rate == most else f"{rate:,.0f}"
            for name in names
            for rate in (rates.get(name, 0.0),)
        ]
        lines.append(f"| {model} | {' | '.join(cells)} |")
    return [*lines, ""]


def _rates(figures: Any) -> dict[str, float]:
    own = {name: each["items_a_cpu_second"] for name, each in figures["scoring"].items()}
    others = figures["peers"].items()
    return own | {name: peer["rows_a_cpu_second"] for name, peer in others if "failed" not in peer}


def _peer_table(scorers: dict[str, Any]) -> list[str]:
    lines = ["| peers | prepare, CPU s | one row of an array, microseconds |", "|---|---:|---:|"]
    for name, peer in scorers.items():
        if "failed" not in peer:
            cells = f"{peer['prepare_cpu_seconds']:,.2f} | {1e6 * peer['one_row_seconds']:,.0f}"
            lines.append(f"| {name} {peer['version']} | {cells} |")
    return [*lines, ""]


def _thread_table(figures: dict[str, Any]) -> list[str]:
    lines = [
        "| two threads | CPU against one thread | so faster on two idle cores | faster here |",
        "|---|---:|---:|---:|",
    ]
    for name, each in figures.items():
        cells = (each["cpu_against_one"], each["faster_on_two_idle_cores"], each["faster_by_wall"])
        lines.append(f"| {name} | {' | '.join(f'{cell:.2f}' for cell in cells)} |")
    return [*lines, ""]


def describe(results: dict[str, Any]) -> str:
    """Write the figures as Markdown."""
    start, others = results["starting"], results["peers"]
    scorers = {name: peer for name, peer in others.items() if not peer.get("explains")}
    explainers = {name: peer for name, peer in others.items() if peer.get("explains")}
    packages = results["machine"]["packages"]
    versions = ", ".join(f"{name} {version}" for name, version in packages.items())

    def rate(figure: Any) -> str:
        return f"{figure['items_a_cpu_second']:,.0f}"

    def micros(figure: Any) -> str:
        return f"{figure['seconds_an_item'] * 1e6:,.1f}"

    lines = [
        "## Compiled trees",
        "",
        (
            f"`{results['command']}`: 300 trees of 31 leaves, 30 columns (5 categorical, 10 with "
            f"missing values), float64, CPU time of one thread, medians of {TURNS} turns, on "
            f"{results['machine']['processor']}; Python {results['machine']['python']}, {versions}. "
            "Raw scores are the same bits as LightGBM's, with numba and without. Peers from other "
            "environments are held against `Booster.predict` in their own process."
        ),
        "",
        *_table("many rows | rows a CPU-second", results["scoring"], rate, scorers),
        *_table(
            "contributions | rows a CPU-second",
            results["explaining"]["figures"],
            rate,
            explainers,
        ),
        (
            f"Largest difference of a contribution from LightGBM's: "
            f"{results['explaining']['largest_difference']:.1e}."
        ),
        "",
        *_table("one row | microseconds", results["single_rows"], micros),
        *_peer_table(scorers),
        *_size_table(results["sizes"]),
        *_thread_table(results["threads"]),
        "| starting (wall clock: least of the turns) | |",
        "|---|---:|",
        f"| compile the model's text, CPU ms | {start['compile_cpu_seconds'] * 1e3:.0f} |",
        f"| load saved arrays, CPU ms | {start['load_arrays_cpu_seconds'] * 1e3:.0f} |",
        (
            f"| fresh process, model ready after `import numpy`, ms | "
            f"{start['fresh_ready_wall_seconds'] * 1e3:.0f} |"
        ),
        (
            f"| fresh process, first score, ms | "
            f"{start['fresh_first_score_wall_seconds'] * 1e3:.0f} "
            f"(CPU {start['fresh_first_score_cpu_seconds'] * 1e3:.0f}) |"
        ),
        (
            f"| fresh installation, first score, ms | "
            f"{start['first_ever_score_wall_seconds'] * 1e3:.0f} "
            f"(CPU {start['first_ever_score_cpu_seconds'] * 1e3:.0f}) |"
        ),
        f"| load the kernels, CPU s | {start['load_kernels_cpu_seconds']:.2f} |",
        (
            f"| compile the kernels, once per installation, CPU s | "
            f"{start['compile_kernels_cpu_seconds']:.1f} |"
        ),
        f"| memory held after scoring and explaining, MB | {start['memory_bytes'] / 1e6:.1f} |",
        (
            f"| memory to score {results['rows']:,} rows of an Arrow table of "
            f"{results['arrow']['table_bytes'] / 1e6:,.0f} MB, beside the scores, MB | "
            f"{results['arrow']['peak_bytes_beside_scores'] / 1e6:.1f} |"
        ),
        "",
        (
            f"Load of the machine at the start, this run included: {results['load']:.1f} on "
            f"{results['machine']['cores']} cores; wall clock figures suffer from more than 1."
        ),
    ]
    failed = [f"- {name}: {peer['failed']}" for name, peer in others.items() if "failed" in peer]
    return "\n".join([*lines, *([""] if failed else []), *failed])
