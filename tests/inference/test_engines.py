"""Engines: the same maps from each, any size of image, and errors in one line."""

import hashlib
import importlib.util
import shutil

import numpy as np
import pytest
import tifffile
import yaml

from karyoscope.core.errors import KaryoscopeError
from karyoscope.inference import Bundle, Engine, Model, devices, load_model, shipped_models
from karyoscope.inference.bundle import ONNX
from karyoscope.inference.ensemble import EnsembleEngine
from karyoscope.inference.model import predict_padded
from karyoscope.inference.openvino_engine import OpenVinoEngine


@pytest.fixture(scope="module")
def tissue(example_slide) -> np.ndarray:
    return np.ascontiguousarray(tifffile.imread(example_slide)[1000:1320, 900:1284])


@pytest.fixture(scope="module", params=["tiny", "lizard"])
def bundle(request) -> Bundle:
    if request.param == "tiny":
        return Bundle(request.getfixturevalue("tiny_bundle"))
    if "lizard" not in shipped_models():
        pytest.skip("needs the shipped model, which is not in this checkout")
    return load_model("lizard", "cpu", 1).bundle


def is_quantised(bundle: Bundle) -> bool:
    return b"QuantizeLinear" in bundle.read(ONNX)


def test_openvino_and_onnx_runtime_agree(bundle, tissue):
    pytest.importorskip("onnxruntime")
    from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

    other = OnnxRuntimeEngine(bundle)
    assert other.provider == "CPUExecutionProvider"
    expected = other.run(tissue[None])
    exact = OpenVinoEngine(bundle, 1, "f32").run(tissue[None])
    quick = OpenVinoEngine(bundle, 1).run(tissue[None])
    assert set(exact) == set(expected) >= set(bundle.card.maps)
    for name, values in expected.items():
        assert exact[name].dtype == quick[name].dtype == np.float32
        difference = np.abs(exact[name] - values)
        # Eight-bit features may round to the next step, and so may those made of them.
        eight_bit = is_quantised(bundle)
        assert difference.mean() < (2e-3 if eight_bit else 1e-4), name
        assert difference.max() < (0.12 if eight_bit else 2e-3), name
        assert np.abs(quick[name] - values).mean() < 0.02, name


def test_maps_have_the_strides_of_the_card(bundle, tissue):
    maps = OpenVinoEngine(bundle, 1).run(tissue[None])
    for name, stride in bundle.card.maps.items():
        assert maps[name].shape[:3] == (1, 320 // stride, 384 // stride)
    assert maps["tp"].shape[3] == len(bundle.taxonomy) + 1
    np.testing.assert_allclose(maps["tp"].sum(-1), 1, atol=0.02)


def test_results_do_not_change_with_later_runs(tiny_bundle, tissue):
    engine = OpenVinoEngine(Bundle(tiny_bundle), 1)
    first = engine.run(tissue[None])
    kept = {name: values.copy() for name, values in first.items()}
    engine.run(255 - tissue[None])
    for name, values in first.items():
        np.testing.assert_array_equal(values, kept[name])


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (33, 31), (64, 96), (95, 7)])
@pytest.mark.parametrize("tta", [1, 8])
def test_images_of_any_size(tiny_bundle, tissue, size, tta):
    model = load_model(tiny_bundle, "cpu", 1, tta)
    height, width = size
    maps = model.predict(np.resize(tissue, (height, width, 3)))
    assert maps["inside"].shape == maps["boundary"].shape == size
    assert maps["tp"].shape == (-(-height // 2), -(-width // 2), 3)


def test_images_are_mirrored_up_to_the_multiple():
    seen = []

    def run(images):
        seen.append(images[0])
        return {"inside": images[..., 0].astype(np.float32)}

    image = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    maps = predict_padded(run, image, 4)
    np.testing.assert_array_equal(maps["inside"], image[..., 0])
    assert seen[0].shape == (8, 8, 3)
    np.testing.assert_array_equal(seen[0][5:, :7], image[:1:-1])
    np.testing.assert_array_equal(seen[0][:5, 7], image[:, 6])


def spoilt(folder, target, graph: bytes):
    """The bundle with another network, whose digest is right."""
    shutil.copytree(folder, target)
    (target / "model.onnx").write_bytes(graph)
    card = yaml.safe_load((target / "model.yaml").read_text("utf-8"))
    card["files"]["model.onnx"] = hashlib.sha256(graph).hexdigest()
    (target / "model.yaml").write_text(yaml.safe_dump(card))
    return target


@pytest.mark.parametrize("graph", [b"", b"no network", bytes(100)])
def test_a_network_that_cannot_be_read(tiny_bundle, tmp_path, graph):
    path = spoilt(tiny_bundle, tmp_path / "a", graph)
    with pytest.raises(KaryoscopeError, match=r"OpenVINO cannot read its model|no ONNX") as error:
        load_model(path, "cpu", 1)
    assert "\n" not in str(error.value)


def test_a_network_that_onnx_runtime_cannot_read(tiny_bundle, tmp_path):
    pytest.importorskip("onnxruntime")
    from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

    # An empty graph is one that can be parsed.
    path = spoilt(tiny_bundle, tmp_path / "a", b"")
    with pytest.raises(KaryoscopeError, match=r"ONNX Runtime cannot run its model\.onnx"):
        OnnxRuntimeEngine(Bundle(path))
    (path / "model.onnx").write_bytes(b"other bytes")
    with pytest.raises(KaryoscopeError, match="was changed"):
        OnnxRuntimeEngine(Bundle(path))


def test_runs_that_fail_say_so_in_one_line(tiny_bundle):
    engines = [OpenVinoEngine(Bundle(tiny_bundle), 1)]
    if importlib.util.find_spec("onnxruntime"):
        from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

        engines.append(OnnxRuntimeEngine(Bundle(tiny_bundle)))
    for engine in engines:
        with pytest.raises(KaryoscopeError, match="failed on 64 x 32 pixels: ") as error:
            engine.run(np.zeros((1, 32, 64, 5), np.uint8))
        assert "\n" not in str(error.value)


class Unused(Engine):
    device = "none"

    def run(self, images):
        raise AssertionError


@pytest.mark.parametrize("tta", [0, 3, 32, -1])
def test_numbers_of_views(tiny_bundle, tta):
    with pytest.raises(KaryoscopeError, match=f"tta takes 1, 2, 4, 8, 16 views, not {tta}"):
        Model(Bundle(tiny_bundle), Unused(), tta)


def test_devices(tiny_bundle, monkeypatch):
    bundle = Bundle(tiny_bundle)
    with pytest.raises(
        KaryoscopeError, match="no device 'tpu'; there are auto, cpu, cuda, mps, torch"
    ):
        devices.open_engine(bundle, "tpu")
    monkeypatch.setattr(devices, "has_nvidia_driver", lambda: False)
    assert "OpenVINO" in devices.open_engine(bundle, "cpu", 1).device
    assert "OpenVINO" in devices.open_engine(bundle, "auto", 1).device
    monkeypatch.setattr(devices, "has_amd_driver", lambda: False)
    with pytest.raises(KaryoscopeError, match="--device cuda needs an NVIDIA GPU"):
        devices.open_engine(bundle, "cuda")
    monkeypatch.setattr(devices, "is_apple_silicon", lambda: False)
    with pytest.raises(KaryoscopeError, match="--device mps needs a Mac"):
        devices.open_engine(bundle, "mps")
    monkeypatch.setattr(devices, "installed", lambda name: False)
    with pytest.raises(KaryoscopeError, match=r"--device torch needs PyTorch: pip install"):
        devices.open_engine(bundle, "torch")


@pytest.fixture
def torch_opens(monkeypatch):
    """The devices on which the torch engine is opened; nothing is run on them."""
    pytest.importorskip("torch")
    from karyoscope.inference.torch_engine import TorchEngine

    opened = []

    def of_bundle(bundle, device="cuda", threads=0):
        opened.append(device)
        return Unused()

    monkeypatch.setattr(TorchEngine, "of_bundle", of_bundle)
    return opened


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_an_amd_gpu_is_cuda_to_torch(tiny_bundle, monkeypatch, torch_opens, device):
    monkeypatch.setattr(devices, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(devices, "has_amd_driver", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    devices.open_engine(Bundle(tiny_bundle), device, 1)
    assert torch_opens == ["cuda"]


def test_torch_without_rocm_beside_an_amd_gpu(tiny_bundle, monkeypatch, torch_opens):
    monkeypatch.setattr(devices, "has_nvidia_driver", lambda: False)
    monkeypatch.setattr(devices, "has_amd_driver", lambda: True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "OpenVINO" in devices.open_engine(Bundle(tiny_bundle), "auto", 1).device
    assert torch_opens == []


def test_the_gpu_of_a_mac_has_to_be_asked_for(tiny_bundle, monkeypatch, torch_opens):
    monkeypatch.setattr(devices, "open_on_gpu", lambda bundle: None)
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)
    devices.open_engine(Bundle(tiny_bundle), "mps", 1)
    assert torch_opens == ["mps"]
    assert "OpenVINO" in devices.open_engine(Bundle(tiny_bundle), "auto", 1).device
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    with pytest.raises(KaryoscopeError, match="--device mps needs a Mac"):
        devices.open_engine(Bundle(tiny_bundle), "mps", 1)


def test_names_of_gpus(monkeypatch):
    torch = pytest.importorskip("torch")
    from karyoscope.inference.torch_engine import described_device

    monkeypatch.setattr(torch.version, "hip", None)
    assert described_device(torch.device("cuda:0"), True) == "cuda:0, torch bf16"
    monkeypatch.setattr(torch.version, "hip", "6.2")
    assert described_device(torch.device("cuda:0"), True) == "cuda:0, torch ROCm bf16"
    assert described_device(torch.device("mps:0"), False) == "mps:0, torch fp32"


def test_a_gpu_whose_libraries_are_missing(tiny_bundle, monkeypatch):
    """ONNX Runtime then falls back to the CPU, where OpenVINO is quicker."""
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr(devices, "torch_has_cuda", lambda: False)
    monkeypatch.setattr(devices, "onnxruntime_has_cuda", lambda: True)
    with pytest.warns(UserWarning, match="CUDAExecutionProvider"):
        engine = devices.open_engine(Bundle(tiny_bundle), "auto", 1)
    assert "OpenVINO" in engine.device


def test_properties_of_a_model(tiny_bundle):
    model = load_model(str(tiny_bundle), "cpu", 1)
    assert (model.name, model.mpp, model.context) == ("tiny", 0.5, 32)
    assert model.taxonomy.names == ("blue", "brown")


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_sizes_that_are_expected_change_no_bit(bundle, tissue, precision):
    engine = OpenVinoEngine(bundle, 1, precision)
    images = [tissue[None], np.ascontiguousarray(np.rot90(tissue))[None], tissue[None, :64, :96]]
    before = [engine.run(image) for image in images]
    engine.expect({tissue.shape[:2], tissue.shape[1::-1]})
    # Twice, since requests are kept from one run to the next; the last size is not expected.
    for image, expected in 2 * list(zip(images, before, strict=True)):
        found = engine.run(image)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_only_sizes_of_many_pixels_are_worth_compiling_for(tiny_bundle, monkeypatch):
    asked = []
    monkeypatch.setattr(OpenVinoEngine, "expect", lambda engine, shapes: asked.append(shapes))
    load_model(tiny_bundle, "cpu", 1).expect(100, 200, 3)
    assert asked == []
    load_model(tiny_bundle, "cpu", 1).expect(1000, 1500, 2)
    load_model(tiny_bundle, "cpu", 1, tta=8).expect(1000, 1500, 2)
    assert asked == [{(1024, 1504)}, {(1024, 1504), (1504, 1024)}]


@pytest.mark.parametrize("tta", [1, 8])
def test_maps_of_a_batch_are_those_of_each_image(tiny_bundle, tissue, tta):
    model = load_model(tiny_bundle, "cpu", 1, tta)
    images = [tissue[:90, :130], tissue[50:146, 40:200], tissue[100:190, 100:232]]
    assert {model.padded_size(*image.shape[:2]) for image in images} == {(96, 160)}
    for maps, image in zip(model.predict_batch(images), images, strict=True):
        alone = model.predict(image)
        assert maps.keys() == alone.keys()
        for name, values in alone.items():
            np.testing.assert_allclose(maps[name], values, atol=1e-5)


def test_onnx_runtime_takes_batches_on_a_gpu(tiny_bundle, tissue, monkeypatch):
    onnxruntime = pytest.importorskip("onnxruntime")
    from karyoscope.inference.onnxruntime_engine import OnnxRuntimeEngine

    on_cpu = OnnxRuntimeEngine(Bundle(tiny_bundle))
    assert (on_cpu.batch, on_cpu.calls_at_once) == (1, 1)
    images = np.stack([tissue[:96, :128], tissue[96:192, :128]])
    together = on_cpu.run(images)
    for number, image in enumerate(images):
        for name, values in on_cpu.run(image[None]).items():
            np.testing.assert_allclose(together[name][number], values[0], atol=1e-5)
    # A session that says it is on a GPU, since there may be none here.
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(session, "get_providers", lambda self: ["CUDAExecutionProvider"])
    on_gpu = OnnxRuntimeEngine(Bundle(tiny_bundle))
    assert on_gpu.batch > 1
    assert on_gpu.calls_at_once > 1


def test_a_batch_that_does_not_fit_into_memory_is_halved():
    torch = pytest.importorskip("torch")
    from karyoscope.inference.torch_engine import TorchEngine

    class Large(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, images):
            if len(images) > 2:
                raise torch.cuda.OutOfMemoryError("out of memory")
            return {"inside": images[..., 0] * self.scale}

    engine = TorchEngine(Large(), autocast=False)
    engine.batch = 8
    images = np.ones((5, 4, 4, 3), np.uint8)
    with pytest.raises(KaryoscopeError, match="torch failed on 4 x 4 pixels: out of memory"):
        engine.run(images)
    assert engine.batch == 2
    assert engine.run(images[:2])["inside"].shape == (2, 4, 4)
    assert engine.batch == 2


def test_an_ensemble_takes_batches_of_its_smallest_member():
    members = [Unused(), Unused()]
    members[0].batch, members[1].batch = 4, 2
    members[1].calls_at_once = 2
    ensemble = EnsembleEngine(members, ("inside",))
    assert (ensemble.batch, ensemble.calls_at_once) == (2, 1)


def test_a_gpu_gives_the_maps_of_the_cpu(tiny_bundle, tissue):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU here")
    from karyoscope.inference.torch_engine import TorchEngine

    gpu, cpu = (TorchEngine.of_bundle(Bundle(tiny_bundle), where) for where in ("cuda", "cpu"))
    images = np.stack([tissue, tissue[::-1]])
    assert gpu.batch > 1
    expected = cpu.run(images)
    for name, values in gpu.run(images).items():
        assert values.dtype == np.float32
        assert np.abs(values - expected[name]).mean() < 0.02, name
