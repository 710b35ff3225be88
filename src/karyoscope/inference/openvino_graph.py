"""The same network as another graph, which OpenVINO computes in less time.

OpenVINO keeps feature maps with their channels last, and images of three channels with them first.
It converts between the two around steps that it only has for one of them. Here such steps are
moved to where there is less to convert; every value is computed from the same ones as before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from karyoscope.core.openvino_offline import ov

_ops = ov.opset13

#: Steps that treat each value alone: the normalisation of pixels.
_PER_VALUE = ("Convert", "Subtract", "Add", "Multiply", "Divide")


def speed_up(graph: ov.Model) -> None:
    """Change a graph to one that computes the same maps in less time.

    Parameters
    ----------
    graph : openvino.Model
        For images of one size. Changed in place; steps that are not found stay as they are.
    """
    normalise_before_transposing(graph)
    shuffle_after_softmax(graph)
    graph.validate_nodes_and_infer_types()


def normalise_before_transposing(graph: ov.Model) -> bool:
    """Normalise an image of bytes while its channels are last, as the first convolution wants them.

    Returns
    -------
    bool
        Whether the graph begins with bytes that are transposed, then normalised, and was changed.
    """
    if len(graph.inputs) != 1:
        return False
    image = graph.inputs[0]
    transpose = _only_user(image)
    if transpose is None or transpose.get_type_name() != "Transpose":
        return False
    order = _constant(transpose, 1)
    if order is None or order.ravel().tolist() != [0, 3, 1, 2]:
        return False
    values, last = image, transpose.output(0)
    while (step := _only_user(last)) is not None and step.get_type_name() in _PER_VALUE:
        moved = _with_channels_last(step, last, values)
        if moved is None:
            break
        values, last = moved, step.output(0)
    if last.get_node() is transpose or values is image:
        return False
    _replace(last, _ops.transpose(values, _ops.constant(order)).output(0))
    return True


def _with_channels_last(step: ov.Node, before: ov.Output, values: ov.Output) -> ov.Output | None:
    """Do what a step does to each value, to an image whose channels are last."""
    kind = step.get_type_name()
    if kind == "Convert":
        return _ops.convert(values, step.get_output_element_type(0)).output(0)
    constants = [_constant(step, i) for i in (0, 1)]
    if sum(constant is not None for constant in constants) != 1:
        return None
    inputs = []
    for constant in constants:
        if constant is None:
            inputs.append(values)
        elif constant.ndim == 4 and constant.shape[2:] == (1, 1):
            inputs.append(_ops.constant(constant.transpose(0, 2, 3, 1)).output(0))
        elif constant.size == 1:
            inputs.append(_ops.constant(constant).output(0))
        else:
            return None
    return getattr(_ops, kind.lower())(*inputs).output(0)


def shuffle_after_softmax(graph: ov.Model) -> int:
    """Take the softmax of scores before a pixel shuffle, and shuffle the channels that are used.

    The scores of a block of pixels are channels before the shuffle. The softmax compares the labels
    of each pixel there, and only the labels that the graph returns are shuffled to their pixels;
    the background is not. The graph must have been made for images of one size.

    Returns
    -------
    int
        Number of maps that are now made that way.
    """
    made = 0
    for shuffle in list(graph.get_ordered_ops()):
        if shuffle.get_type_name() != "DepthToSpace":
            continue
        found = _softmax_and_channels(shuffle)
        if found is None:
            continue
        softmax, channels = found
        scores, edge = shuffle.input_value(0), shuffle.get_attributes()["block_size"]
        images, deep, height, width = scores.get_shape()
        shape = np.array([images, deep // edge**2, edge**2, height, width])
        grouped = _ops.reshape(scores, _ops.constant(shape), special_zero=False)
        shares = _ops.softmax(_ops.convert(grouped, softmax.get_output_element_type(0)), 1)
        for gather in channels:
            index = gather.input_value(1)
            one = _ops.gather(shares, index, _ops.constant(1))
            spread = _ops.depth_to_space(one, "depth_first", edge)
            _replace(gather.output(0), _ops.squeeze(spread, _ops.constant([1])).output(0))
            made += 1
    return made


def _softmax_and_channels(shuffle: ov.Node) -> tuple[ov.Node, list[ov.Node]] | None:
    """The softmax over the channels of a pixel shuffle, and what takes single channels of it."""
    shape = shuffle.get_input_partial_shape(0)
    # Of sizes that are found out while the graph runs, OpenVINO keeps steps in fp32 that are bf16
    # otherwise, and maps would depend on whether a size was expected.
    if shuffle.get_attributes()["mode"] != "depth_first" or shape.is_dynamic or len(shape) != 4:
        return None
    softmax = _only_user(shuffle.output(0))
    if softmax is not None and softmax.get_type_name() == "Convert":
        softmax = _only_user(softmax.output(0))
    if softmax is None or softmax.get_type_name() != "Softmax":
        return None
    if softmax.get_attributes()["axis"] not in (1, -3):
        return None
    channels = list(_users(softmax.output(0)))
    return (softmax, channels) if all(map(_takes_one_channel, channels)) else None


def _takes_one_channel(node: ov.Node) -> bool:
    if node.get_type_name() != "Gather":
        return False
    index, axis = _constant(node, 1), _constant(node, 2)
    return index is not None and index.ndim == 0 and axis is not None and axis.item() == 1


def _constant(node: ov.Node, number: int) -> np.ndarray | None:
    source = node.input_value(number).get_node()
    return source.get_data() if source.get_type_name() == "Constant" else None


def _users(output: ov.Output) -> Iterator[ov.Node]:
    for taker in output.get_target_inputs():
        yield taker.get_node()


def _only_user(output: ov.Output) -> ov.Node | None:
    users = list(_users(output))
    return users[0] if len(users) == 1 else None


def _replace(old: ov.Output, new: ov.Output) -> None:
    """Let all that took one value take another, which is given its names."""
    new.set_names(old.get_names())
    for taker in old.get_target_inputs():
        taker.replace_source_output(new)
