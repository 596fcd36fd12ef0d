"""The deployment files name what exists: routes, settings, options, and times that fit."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from churnkit.server import Settings
from churnkit.server.bento.serve import _GRACE_SECONDS

yaml = pytest.importorskip("yaml", reason="the extra 'serve' is not installed")
ROOT = Path(__file__).parents[2]
SETTINGS = {"CHURNKIT_" + setting.name.upper() for setting in fields(Settings)}


@pytest.fixture(scope="module")
def documents():
    text = (ROOT / "serving" / "kubernetes.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(documents):
    return documents["Deployment"]["spec"]["template"]["spec"]


def test_probes_ask_routes_that_exist_on_the_port_of_the_service(pod, app, documents):
    [container] = pod["containers"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"] in app.paths
        assert container[probe]["httpGet"]["port"] == container["ports"][0]["name"]
    assert documents["Service"]["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


def test_variables_are_settings_and_their_paths_are_mounted(pod):
    [container] = pod["containers"]
    mounts = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    for variable in container["env"]:
        assert variable["name"] in SETTINGS
        path = variable.get("value", "")
        assert not path.startswith("/") or any(path.startswith(mount) for mount in mounts)


def test_the_container_is_rootless_read_only_and_has_time_to_drain(pod):
    [container] = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    assert container["securityContext"]["capabilities"]["drop"] == ["ALL"]
    pause = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + _GRACE_SECONDS
    text = (ROOT / "serving" / "Containerfile").read_text(encoding="utf-8")
    uid = re.search(r"--uid (\d+)", text)
    assert uid
    assert int(uid[1]) == pod["securityContext"]["runAsUser"]
    assert text.index("USER service") < text.index("CMD")


def test_the_unit_starts_a_command_that_exists_and_gives_it_time():
    import inspect

    from churnkit.cli.operations.serve import serve

    unit = (ROOT / "serving" / "churnkit.service").read_text(encoding="utf-8")
    command = re.search(r"ExecStart=(.*)", unit)
    assert command
    words = command[1].split()
    assert words[1] == "serve"
    options = {word.removeprefix("--") for word in words if word.startswith("--")}
    assert options <= set(inspect.signature(serve).parameters)
    stop = re.search(r"TimeoutStopSec=(\d+)", unit)
    assert stop
    assert int(stop[1]) > 2 * _GRACE_SECONDS
    assert re.search(r"(?m)^User=(?!root)", unit)
