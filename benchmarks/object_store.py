"""Scoring a partitioned data set from S3 to S3: memory, and a kill with a resumed run.

Run ``python -m benchmarks.object_store --gigabytes 2``. The store is moto on loopback, in a process
of its own. The job is run once without interruption, and once killed after half of its chunks and
resumed; the bytes of both outputs are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from benchmarks import batch
from benchmarks.batch import peak_mb
from benchmarks.publish import machine, publish

ROWS_OF_A_FILE = 1_000_000
SERVER = "import sys; from moto.server import main; main(['-H', '127.0.0.1', '-p', sys.argv[1]])"


def start_store() -> tuple[subprocess.Popen[bytes], Any]:
    """Start moto, name it in the environment, and return it with a file system of its own."""
    from pyarrow import fs

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    store = fs.S3FileSystem(
        endpoint_override=f"127.0.0.1:{port}",
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
        connect_timeout=60,
        request_timeout=60,
    )
    for _ in range(100):
        try:
            store.create_dir("lake")
        except OSError:
            time.sleep(0.2)
        else:
            return server, store
    raise RuntimeError("moto does not answer")


def upload(store: Any, file: Path, gigabytes: float) -> tuple[int, float]:
    """Upload copies of a file as partitions; return their number and the size in GB."""
    content = file.read_bytes()
    count = max(2, round(gigabytes * 1e9 / len(content)))
    for number in range(count):
        name = f"lake/in/month=2026-{number + 1:02d}/part.parquet"
        with store.open_output_stream(name, compression=None) as stream:
            stream.write(content)
    return count, count * len(content) / 1e9


def job(folder: Path, output: str, *, resume: bool) -> dict[str, float]:
    """Score in this process."""
    from churnkit.batch import score
    from churnkit.bundle import RetentionModel

    model = RetentionModel.load(folder / "bundle")
    model.warm_up()
    before, started = peak_mb(), time.process_time()
    report = score("s3://lake/in/", output, model, resume=resume)
    seconds = time.process_time() - started
    return {"rows": report.rows, "seconds": seconds, "above_mb": peak_mb() - before}


def start(folder: Path, output: str, *options: str) -> subprocess.Popen[str]:
    """Start the job in a process of its own, which works in the folder."""
    command = [
        sys.executable, "-m", "benchmarks.object_store", "--job", output, "--folder", str(folder),
        *options,
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)


def finish(process: subprocess.Popen[str]) -> dict[str, float]:
    """Wait for a job and return its figures."""
    out, _ = process.communicate()
    assert process.returncode == 0
    figures: dict[str, float] = json.loads(out.splitlines()[-1])
    return figures


def kill_midway(process: subprocess.Popen[str], folder: Path, chunks: int) -> None:
    """Kill a job once it has finished some chunks."""
    while process.poll() is None:
        manifests = list(folder.glob(".resumed-*.parts/manifest.json"))
        if manifests and len(json.loads(manifests[0].read_text())["chunks"]) >= chunks:
            process.send_signal(signal.SIGKILL)
            process.wait()
        time.sleep(0.02)
    assert process.returncode == -signal.SIGKILL


def contents(store: Any, prefix: str) -> dict[str, bytes]:
    """Read the objects below a prefix."""
    from pyarrow import fs

    entries = store.get_file_info(fs.FileSelector(prefix, recursive=True))
    return {
        entry.base_name: store.open_input_file(entry.path).readall()
        for entry in entries
        if entry.type == fs.FileType.File
    }


def section(results: dict[str, Any]) -> str:
    whole, resumed = results["whole"], results["resumed"]
    return "\n".join(
        [
            "## Scoring from and to an object store",
            "",
            (
                f"`python -m benchmarks.object_store --gigabytes {results['gigabytes']:.2f}`: "
                f"{results['files']} partitions of {ROWS_OF_A_FILE:,} rows in Parquet "
                f"({results['gigabytes']:.2f} GB), from S3 to a folder of Parquet files on S3 (moto "
                f"on loopback), on {results['processor']}. The second run was killed after half of "
                "its chunks and resumed. Memory is what the process held above the loaded model."
            ),
            "",
            "| run | rows | CPU s | memory, MB |",
            "|---|---:|---:|---:|",
            f"| uninterrupted | {whole['rows']:,.0f} | {whole['seconds']:.1f} | {whole['above_mb']:.0f} |",
            f"| resumed | {resumed['rows']:,.0f} | {resumed['seconds']:.1f} | {resumed['above_mb']:.0f} |",
            "",
            f"Objects whose bytes differ: {results['differ']} of {results['objects']}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--gigabytes", type=float, default=2.0, help="size of the input")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--resume", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.job:
        print(json.dumps(job(asked.folder, asked.job, resume=asked.resume)))
        return
    with tempfile.TemporaryDirectory() as aside:
        folder = Path(aside)
        (folder / ".churnkit").mkdir()
        batch.SIZES, batch.SPARK_ROWS = (ROWS_OF_A_FILE,), ROWS_OF_A_FILE  # type: ignore[assignment]
        batch.make(folder)
        file = folder / f"{ROWS_OF_A_FILE}.parquet"
        assert pq.read_metadata(file).num_rows == ROWS_OF_A_FILE
        server, store = start_store()
        try:
            files, gigabytes = upload(store, file, asked.gigabytes)
            whole = finish(start(folder, "s3://lake/whole/"))
            kill_midway(start(folder, "s3://lake/resumed/"), folder, files // 2)
            resumed = finish(start(folder, "s3://lake/resumed/", "--resume"))
            outputs = [contents(store, f"lake/{name}") for name in ("whole", "resumed")]
        finally:
            server.terminate()
            server.wait()
    names = outputs[0].keys() | outputs[1].keys()
    results = {
        **machine("moto", "numpy", "pyarrow"),
        "gigabytes": gigabytes,
        "files": files,
        "whole": whole,
        "resumed": resumed,
        "objects": len(names),
        "differ": sum(outputs[0].get(name) != outputs[1].get(name) for name in names),
    }
    publish("object_store", results, section(results))


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
