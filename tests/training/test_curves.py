from karyoscope.training.curves import plot_log, read_log, write_log


def write(run, first, text):
    folder = run / "log" / f"from-{first:07d}"
    folder.mkdir(parents=True)
    (folder / "metrics.csv").write_text(text)


def test_a_later_log_replaces_the_steps_that_were_done_again(tmp_path):
    write(tmp_path, 0, "epoch,step,train/loss,val/pq\n0,9,2.0,\n0,19,1.5,\n0,19,,0.3\n0,29,9.0,\n")
    write(tmp_path, 20, "epoch,step,train/loss\n0,29,1.0\n")
    log = read_log(tmp_path)
    assert log == {
        9: {"train/loss": 2.0},
        19: {"train/loss": 1.5, "val/pq": 0.3},
        29: {"train/loss": 1.0},
    }
    write_log(log, tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text("utf-8").splitlines() == [
        "step,train/loss,val/pq", "9,2,", "19,1.5,0.3", "29,1,",
    ]  # fmt: skip
    plot_log(log, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
