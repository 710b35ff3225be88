"""What every training begins with: the guard over its folder, and Lightning's trainer."""

import errno
import sys
from types import SimpleNamespace

import pytest
from safetensors import SafetensorError

torch = pytest.importorskip("torch")
pytest.importorskip("lightning")


from karyoscope.core.errors import KaryoscopeError  # noqa: E402
from karyoscope.core.lock import LockedError  # noqa: E402
from karyoscope.training.checkpoints import Checkpoints  # noqa: E402
from karyoscope.training.curves import write_log  # noqa: E402
from karyoscope.training.pace import Pace  # noqa: E402
from karyoscope.training.progress import StepBar  # noqa: E402
from karyoscope.training.trainer import begun_run, build_trainer, finished_steps  # noqa: E402
from karyoscope.training.weights import write_weights  # noqa: E402


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()} if folder.is_dir() else {}


def test_a_new_run_has_a_folder_with_what_describes_it(tmp_path):
    with begun_run(tmp_path / "a" / "b", False, {"recipe.yaml": b"name: b\n"}) as last:
        assert last == tmp_path / "a" / "b" / "last.ckpt"
    assert files(tmp_path / "a" / "b") == {"recipe.yaml": b"name: b\n"}


@pytest.mark.parametrize(
    ("there", "resume", "message"),
    [(False, True, "nothing to resume"), (True, False, "holds a run already: give --resume")],
)
def test_a_refused_run_changes_nothing(tmp_path, there, resume, message):
    out = tmp_path / "run"
    if there:
        out.mkdir()
        (out / "last.ckpt").write_bytes(b"weights")
        (out / "recipe.yaml").write_bytes(b"old")
    before = files(out)
    with (
        pytest.raises(KaryoscopeError, match=message),
        begun_run(out, resume, {"recipe.yaml": b"new"}),
    ):
        pass
    assert files(out) == before
    assert out.exists() == there


def test_a_run_to_be_resumed_is_not_described_anew_before_it_goes_on(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"weights")
    (tmp_path / "recipe.yaml").write_bytes(b"old")
    with begun_run(tmp_path, True, {"recipe.yaml": b"longer"}) as last:
        assert last.read_bytes() == b"weights"
        assert (tmp_path / "recipe.yaml").read_bytes() == b"old"


@pytest.mark.parametrize("resume", [False, True])
def test_one_process_at_a_time_trains_into_a_folder(tmp_path, resume):
    with begun_run(tmp_path, False, {"recipe.yaml": b"first"}) as last:
        if resume:
            last.write_bytes(b"weights")
        before = files(tmp_path)
        with (
            pytest.raises(LockedError, match=r"another run \(process \d+ on .*\) is writing"),
            begun_run(tmp_path, resume, {"recipe.yaml": b"second"}),
        ):
            pass
        assert files(tmp_path) == before
    assert not (tmp_path / ".lock").exists()


@pytest.mark.parametrize(("counted", "steps"), [(1, 14), (2, 7)])
def test_steps_of_a_checkpoint_are_those_of_the_run(tmp_path, counted, steps):
    torch.save({"global_step": 14}, tmp_path / "last.ckpt")
    assert finished_steps(tmp_path / "last.ckpt", counted) == steps


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_a_bar_on_a_terminal_alone_and_never_on_stdout(tmp_path, monkeypatch, terminal):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    trainer = build_trainer(tmp_path, "cpu", 10, 3, [], batch_size=2, counted_per_step=2)
    bars = [c for c in trainer.callbacks if isinstance(c, StepBar)]
    assert [bar._progress.console.stderr for bar in bars] == [True] * terminal
    assert sum(isinstance(c, Pace) for c in trainer.callbacks) == 1
    assert (trainer.max_steps, trainer.log_every_n_steps) == (20, 1)
    assert trainer.logger.log_dir == str(tmp_path / "log" / "from-0000003")


def test_a_run_that_a_callback_ends_has_no_number_of_steps(tmp_path):
    trainer = build_trainer(tmp_path, "cpu", -1, 0, [], batch_size=2, counted_per_step=2)
    assert (trainer.max_steps, trainer.log_every_n_steps) == (-1, 50)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        RuntimeError(
            "[enforce fail at inline_container.cc:659] . PytorchStreamWriter failed writing file"
            " data/0: file write failed"
        ),
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
    ids=["system", "quota", "torch", "safetensors"],
)
@pytest.mark.parametrize("kept", [False, True])
def test_a_full_disk_is_one_line_and_says_whether_the_run_can_go_on(tmp_path, error, kept):
    out = tmp_path / "run"
    out.mkdir()

    def train():
        with begun_run(out, False, {}) as last:
            if kept:
                last.write_bytes(b"weights")
            raise error

    with pytest.raises(KaryoscopeError) as raised:
        train()
    line = str(raised.value)
    assert line.startswith(f"cannot write {out}: No space left on device; free space or")
    assert ("--resume continues from the last checkpoint" in line) == kept
    assert "\n" not in line
    with begun_run(out, kept, {}):  # nothing is locked
        pass


def test_other_failures_of_a_run_stay_what_they_are(tmp_path):
    for error in (OSError(errno.EIO, "Input/output error"), RuntimeError("shape mismatch")):
        with pytest.raises(type(error)) as raised, begun_run(tmp_path, False, {}):
            raise error
        assert raised.value is error


def test_half_a_checkpoint_does_not_stay_on_a_full_disk(tmp_path):
    def save(path):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "last.ckpt").write_bytes(b"whole")
    trainer = SimpleNamespace(
        global_step=1, max_steps=1, save_checkpoint=save, is_global_zero=True, should_stop=False
    )
    with pytest.raises(OSError, match="No space"):
        Checkpoints(tmp_path, every=1).on_train_batch_end(trainer)
    assert files(tmp_path) == {"last.ckpt": b"whole"}


@pytest.mark.parametrize("name", ["weights.safetensors", "log.csv"])
def test_what_was_there_stays_where_the_disk_is_full(tmp_path, monkeypatch, name):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write():
        if name == "log.csv":
            write_log({1: {"train/loss": 0.5}}, tmp_path / name)
        else:
            write_weights(torch.nn.Linear(2, 2), tmp_path / name)

    write()
    before = files(tmp_path)
    monkeypatch.setattr("karyoscope.core.files.put_in_place", full)
    with pytest.raises(KaryoscopeError, match="No space left on device; free space or"):
        write()
    assert files(tmp_path) == before
    assert before[name]


@pytest.mark.parametrize(
    "command",
    [
        ("train", "lost.yaml", "--out", "out"),
        ("train", "--data", "lost", "--out", "out"),
        ("restain", "train", "--target", "lost", "--out", "out"),
        ("synthesize", "train", "lost.yaml", "--out", "out"),
    ],
)
def test_a_gpu_that_is_not_there_is_said_before_data_are_looked_at(run, monkeypatch, command):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = run(*command, "--device", "cuda")
    assert result.code == 1
    (line,) = result.lines
    assert line.startswith("karyoscope: --device cuda needs a GPU")
    assert line.endswith("use --device cpu")
