"""What the network computes on slides by the size of its windows, and what its layers take.

    python benchmarks/network.py                             # the shipped model and slide
    python benchmarks/network.py other.svs --model my_model --layers 20

Of the pixels of windows, some are read twice, and some are glass in blocks that hold tissue. Layers
are those of OpenVINO, on one thread, for a window of 1024 px of the first slide; the least of five.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from karyoscope.core.openvino_offline import hints, ov, props
from karyoscope.inference import Model, load_model
from karyoscope.inference.openvino_graph import speed_up
from karyoscope.pipeline import Layout
from karyoscope.pipeline.tiling import area_of, plan_blocks
from karyoscope.pipeline.tiling.plan import MARGIN_UM
from karyoscope.slides import open_slide

SLIDE = Path(__file__).parents[1] / "examples" / "CMU-1-Small-Region.svs"
EDGES = (640, 768, 896, 1024, 1152, 1280, 1440, 1600, 2048)
EDGE = 1024


def computed(path: Path, model: Model) -> dict[str, str]:
    """Mpx of windows, and in brackets those of blocks, by the longest edge of a window."""
    found = {}
    with open_slide(path) as slide:
        area = area_of(slide, model.mpp)
        margin = round(MARGIN_UM / model.mpp)
        for edge in (None, *EDGES):
            size = area.grid.width, area.grid.height
            layout = Layout(*size, model.context, margin, edge, within=area.on_grid)
            plan = plan_blocks(layout, area)
            boxes = [window.read for step in plan for window in step.fresh]
            owned = [step.block.own for step in plan]
            mpx = [sum(box.width * box.height for box in each) / 1e6 for each in (boxes, owned)]
            found["default" if edge is None else str(edge)] = "{:.1f} ({:.1f})".format(*mpx)
    return found


def layers(path: Path, model: Model, changed: bool) -> list[tuple[float, str, str]]:
    """Milliseconds per Mpx of each layer, with its kind and name, the dearest first."""
    core = ov.Core()
    graph = core.read_model(model.bundle.read_graph())
    graph.reshape([1, EDGE, EDGE, 3])
    if changed:
        speed_up(graph)
    precision = ov.Type.bf16 if "bf16" in model.engine.device else ov.Type.f32
    config = {
        hints.inference_precision: precision,
        hints.performance_mode: hints.PerformanceMode.LATENCY,
        props.inference_num_threads: 1,
        props.enable_profiling: True,
    }
    request = core.compile_model(graph, "CPU", config).create_infer_request()
    with open_slide(path) as slide:
        pixels = np.ascontiguousarray(slide.read(0, 0, EDGE, EDGE, model.mpp))[None]
    least: dict[str, tuple[float, str, str]] = {}
    for _ in range(5):
        request.infer([pixels])
        for layer in request.profiling_info:
            taken = 1e3 * layer.real_time.total_seconds() / (EDGE**2 / 1e6)
            row = taken, layer.exec_type, layer.node_name
            least[layer.node_name] = min(row, least.get(layer.node_name, row))
    return sorted(least.values(), reverse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("slides", nargs="*", type=Path, default=[SLIDE])
    parser.add_argument("--model", default="lizard")
    parser.add_argument("--layers", type=int, default=12, help="layers that are listed")
    arguments = parser.parse_args()
    model = load_model(arguments.model, "cpu", threads=1)
    for path in arguments.slides:
        print(f"{path.name}: Mpx of windows (of blocks) by longest edge, context {model.context}")
        for edge, mpx in computed(path, model).items():
            print(f"    {edge:>8} {mpx}")
    for changed in (False, True):
        rows = layers(arguments.slides[0], model, changed)
        print(f"graph {'that runs' if changed else 'of the bundle'}, ms/Mpx of one thread")
        print(f"    {sum(row[0] for row in rows):6.1f} all layers")
        for taken, kind, name in rows[: arguments.layers]:
            print(f"    {taken:6.1f} {kind} {name[-60:]}")


if __name__ == "__main__":
    main()
