"""Two processes on a CPU train as one."""

import os
import subprocess
import sys
from textwrap import dedent

import pytest
from tiny_recipe import write_recipe

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")

from karyoscope.training.data.batches import step_seed  # noqa: E402

PROGRAM = """
import sys
from pathlib import Path
import torch
from karyoscope.training import load_recipe, train
from karyoscope.training.module import NucleusModule

torch.set_num_threads(1)
out = Path({out!r})
passes = {{}}

def training_step(self, batch, index, step=NucleusModule.training_step):
    seen = passes.setdefault(self.global_step, [])
    seen.append(batch[0].clone())
    return step(self, batch, index)

def before_step(self, optimiser):
    found = {{k: p.grad.clone() for k, p in self.named_parameters() if p.grad is not None}}
    name = f"{{self.global_step}}-{{self.global_rank}}-{{len(passes[self.global_step])}}.pt"
    torch.save({{"image": passes[self.global_step][0], "gradient": found}}, out / name)

def train_end(self):
    torch.save({{k: v.clone() for k, v in self.state_dict().items()}},
               out / f"end-{{self.global_rank}}.pt")

NucleusModule.training_step = training_step
NucleusModule.on_before_optimizer_step = before_step
NucleusModule.on_train_end = train_end
train(load_recipe({recipe!r}), out / "run", device="cpu")
"""


def test_processes_draw_from_seeds_of_their_own():
    seeds = {step_seed(s, k, r) for s in range(3) for k in range(500) for r in range(8)}
    assert len(seeds) == 3 * 500 * 8
    assert step_seed(3, 7) == 3 * 1_000_003 + 7


@pytest.mark.slow
def test_two_processes_share_each_step_and_the_validation(tmp_path):
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        pytest.skip("torch was built without gloo")
    recipe = write_recipe(
        tmp_path / "data",
        images=5,
        training={"steps": 2, "devices": 2, "ema": 0.9},
        optimiser={"decay": None, "sam": {"rho": 0.05}},
        phases=[{"steps": 1}, {"steps": 1, "frozen": ["encoder"]}],
        validation={"every": 2, "part": "train"},
    )
    script = tmp_path / "program.py"
    script.write_text(dedent(PROGRAM).format(out=str(tmp_path), recipe=str(recipe)))
    clean = {k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "RANK", "WORLD_SIZE")}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=clean | {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    for step in (0, 1):
        for part in (1, 2):
            first, second = (
                torch.load(tmp_path / f"{step}-{rank}-{part}.pt", weights_only=True)
                for rank in (0, 1)
            )
            assert not torch.equal(first["image"], second["image"])
            assert first["gradient"].keys() == second["gradient"].keys()
            frozen = [k for k in first["gradient"] if k.startswith("network.encoder.")]
            assert bool(frozen) == (step == 0)
            for name, gradient in first["gradient"].items():
                assert torch.equal(gradient, second["gradient"][name]), name
                assert torch.isfinite(gradient).all()
    first, second = (torch.load(tmp_path / f"end-{rank}.pt", weights_only=True) for rank in (0, 1))
    learnt = [
        k for k in first if "running" not in k and "prior" not in k and "num_batches" not in k
    ]
    assert all(torch.equal(first[k], second[k]) for k in learnt)
    log = (tmp_path / "run" / "log.csv").read_text("utf-8")
    assert "val/mpq_plus" in log
    assert (tmp_path / "run" / "best.ckpt").is_file()
    assert (tmp_path / "run" / "tiles" / "0000002.png").is_file()
