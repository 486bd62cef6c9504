"""The files of `deploy`: a container, its composition with PostgreSQL, and a systemd unit."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from fingerprinter.config import parse_config
from fingerprinter.server.settings import configured

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def test_the_configuration_is_one_of_the_service() -> None:
    text = (DEPLOY / "config.toml").read_text()
    config = parse_config(text, Path("/etc/fingerprinter/config.toml"))
    settings = configured(config)
    assert (settings.host, settings.folders, settings.watch) == ("0.0.0.0", ("/music",), True)
    container = (DEPLOY / "Containerfile").read_text()
    for folder in (config.cache, Path(config.library or "").parent):
        assert f'"{folder}"' in container  # is a volume, and so can be written


def test_the_container_copies_files_that_its_context_holds() -> None:
    allowed = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    assert all((ROOT / name).exists() for name in allowed)
    needed = {"pyproject.toml", "README.md", "LICENSE", "fingerprinter", "migrations"}
    assert needed | {"deploy/config.toml"} == set(allowed)


def test_the_composition_gives_the_service_no_more_than_it_needs() -> None:
    yaml = pytest.importorskip("yaml")
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    service = services["fingerprinter"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert any(volume.endswith(":/music:ro") for volume in service["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in services["database"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "fingerprinter.service").read_text()
    program = "/opt/fingerprinter/bin/fingerprinter"
    assert f"ExecStart={program} serve\n" in unit
    here = tmp_path / "fingerprinter.service"
    here.write_text(unit.replace(program, "/bin/true"))
    command = ["systemd-analyze", "verify", str(here)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stderr) == (0, "")
