"""Models as objects: what is written once is read by all that refer to it."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from export.backends.litert.graph import packed, parsed, share_buffers, share_scales

CHANNELS = 1000


def quantization(seed: int) -> schema.QuantizationParametersT:
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.random.default_rng(seed).random(CHANNELS, dtype=np.float32)
    parameters.zeroPoint = np.zeros(CHANNELS, dtype=np.int64)
    parameters.quantizedDimension = 1
    return parameters


def model(seeds: list[int]) -> schema.ModelT:
    """One graph with a tensor for each seed, quantized by its numbers."""
    tensors = []
    for seed in seeds:
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.quantization = f"t{len(tensors)}", [1], quantization(seed)
        tensors.append(tensor)
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = tensors, []
    made = schema.ModelT()
    made.version, made.subgraphs, made.buffers, made.signatureDefs = 3, [graph], [schema.BufferT()], []
    return made


def test_equal_scales_are_written_once_and_read_by_every_tensor():
    """A scale and a zero point take 12 bytes a channel; three of four tensors have the same."""
    shared = model([1, 2, 1, 1])
    share_scales(shared)
    apart, together = packed(model([1, 2, 1, 1])), packed(shared)
    assert len(apart) - len(together) >= 2 * 12 * CHANNELS
    for given, expected in zip(parsed(together).subgraphs[0].tensors, parsed(apart).subgraphs[0].tensors, strict=True):
        assert np.array_equal(given.quantization.scale, expected.quantization.scale)
        assert np.array_equal(given.quantization.zeroPoint, expected.quantization.zeroPoint)
        assert given.quantization.quantizedDimension == 1


def test_equal_buffers_are_stored_once_and_nobody_s_content_changes():
    contents = [b"", b"weights" * 100, b"other" * 100, b"weights" * 100, b"", b"weights" * 100]
    made = model([1] * len(contents))
    made.buffers = []
    for number, content in enumerate(contents):
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(content, np.uint8) if content else None
        made.buffers.append(buffer)
        made.subgraphs[0].tensors[number].buffer = number
    before = len(packed(made))
    share_buffers(made)
    after = packed(made)
    assert before - len(after) >= 2 * len(b"weights" * 100)
    again = parsed(after)
    held = [again.buffers[tensor.buffer].data for tensor in again.subgraphs[0].tensors]
    assert [b"" if data is None else bytes(data) for data in held] == contents
