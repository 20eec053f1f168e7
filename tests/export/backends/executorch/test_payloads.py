"""Payloads of Core ML's delegate, taken apart and run: what Core ML's converter made of a small graph."""

import pytest
import torch
from torch import Tensor, nn

from export.backends.executorch.payloads import CoreMLPiece
from minivlm.errors import UserError
from minivlm.quiet import quiet

pytest.importorskip("coremltools")


class Two(nn.Module):
    """Two inputs and two outputs, in an order that matters."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = shift

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        return first - 2.0 * second, first * second + self.shift


INPUTS = (torch.tensor([[1.0, 2.0, 3.0]]), torch.tensor([[4.0, 5.0, 7.0]]))


def program(shift: float = 0.5) -> torch.export.ExportedProgram:
    from executorch.exir import to_edge

    return to_edge(torch.export.export(Two(shift), INPUTS)).exported_program()


@pytest.fixture(scope="module")
def payload() -> bytes:
    """As the delegate's compiler writes it for one method."""
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend

    options = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target.iOS18, compute_precision=ct.precision.FLOAT32
    )
    with quiet():
        return CoreMLBackend.preprocess(program(), options).processed_bytes


@pytest.fixture(scope="module")
def shared() -> tuple[list[bytes], dict[str, bytes]]:
    """As it is written for two methods, whose programs go into one package."""
    import coremltools as ct
    from executorch.backends.apple.coreml.compiler import CoreMLBackend

    options = CoreMLBackend.generate_compile_specs(
        minimum_deployment_target=ct.target.iOS18, compute_precision=ct.precision.FLOAT32
    )
    programs = {"prefill": [program(0.5)], "step": [program(1.5)]}
    with quiet():
        made = CoreMLBackend.preprocess_multimethod(programs, {name: [options] for name in programs})
    store = made["prefill"][0].data_store_output
    held = {name: store.buffers[entry.buffer_index] for name, entry in store.pte_data.items()}
    return [made[name][0].processed_bytes for name in programs], held


def test_a_piece_takes_and_gives_tensors_in_the_order_of_the_call(payload):
    piece = CoreMLPiece(payload, {})
    assert piece.inputs == 2
    first, second = piece.run(INPUTS)
    # 1 - 8, 2 - 10, 3 - 14; 4 + 0.5, 10 + 0.5, 21 + 0.5
    assert first.tolist() == [[-7.0, -8.0, -11.0]]
    assert second.tolist() == [[4.5, 10.5, 21.5]]


def test_methods_that_share_a_package_have_a_function_each(shared):
    payloads, held = shared
    shifts = [CoreMLPiece(one, held).run(INPUTS)[1].tolist() for one in payloads]
    assert shifts == [[[4.5, 10.5, 21.5]], [[5.5, 11.5, 22.5]]]


@pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"CMJR{}", b"CMJRnothing", b'CMJR{"key": 1}'])
def test_anything_else_is_refused_in_one_line(content):
    with pytest.raises(UserError, match=r"a Core ML piece cannot be read .*: export it again") as caught:
        CoreMLPiece(content, {})
    assert "\n" not in str(caught.value)


def test_half_a_payload_is_refused(payload):
    with pytest.raises(UserError, match="cannot be read"):
        CoreMLPiece(payload[: len(payload) // 2], {})
