"""The examples of docs/ for schedulers are valid, and use options that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import typer
import yaml

from karyoscope.cli.segment import app

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = ["kubernetes.yaml", "kuberay.yaml", "slurm.sbatch"]


def load(name):
    return yaml.safe_load((DOCS / name).read_text(encoding="utf-8"))


def containers(found):
    """All containers that an object of Kubernetes describes."""
    if isinstance(found, dict):
        yield from found.get("containers", [])
        found = list(found.values())
    if isinstance(found, list):
        for item in found:
            yield from containers(item)


@pytest.mark.parametrize("name", EXAMPLES)
def test_options_exist(name):
    text = re.sub(r"^ *#.*$", "", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
    used = set(re.findall(r"(?<= )--[a-z-]+", text[text.index("karyoscope segment") :]))
    command = typer.main.get_command(app)
    known = {option for parameter in command.params for option in parameter.opts}
    assert {"--out", "--workers"} <= used <= known


def test_the_job_deals_out_as_many_shares_as_it_has_pods():
    job = load("kubernetes.yaml")
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "Job")
    spec = job["spec"]
    assert spec["completionMode"] == "Indexed"
    (container,) = containers(job)
    shares = {e["name"]: e["value"] for e in container["env"]}["COMPLETIONS"]
    assert int(shares) == spec["completions"]


def test_the_ray_job_mounts_the_slides_everywhere():
    job = load("kuberay.yaml")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert "--cluster auto" in job["spec"]["entrypoint"]
    found = list(containers(job))
    assert {c["name"] for c in found} == {"ray-head", "ray-worker"}
    assert all(c["volumeMounts"][0]["mountPath"] == "/data" for c in found)


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_the_array_job_takes_every_slide_once(tmp_path):
    slides = [f"/data/slides/{n} a.svs" for n in range(23)]
    (tmp_path / "slides.txt").write_text("\n".join(slides) + "\n")
    # Stands for the command, and prints what it is given.
    srun = tmp_path / "srun"
    srun.write_text('#!/bin/bash\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    taken = []
    for task in range(5):
        done = subprocess.run(
            ["bash", DOCS / "slurm.sbatch", tmp_path / "slides.txt", tmp_path / "out"],
            env={
                "PATH": f"{tmp_path}:/usr/bin:/bin",
                "SLURM_ARRAY_TASK_COUNT": "5",
                "SLURM_ARRAY_TASK_ID": str(task),
                "SLURM_CPUS_PER_TASK": "2",
            },
            capture_output=True,
            text=True,
            check=True,
        )
        words = done.stdout.splitlines()
        assert words[:2] == ["karyoscope", "segment"]
        taken += words[2 : words.index("--out")]
    assert sorted(taken) == sorted(slides)
