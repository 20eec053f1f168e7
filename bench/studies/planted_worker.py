"""One repeat of the planted workload: a fresh process that prints the median of its runs in ms.

    python -m bench.studies.planted_worker MODEL.onnx

Imports only what it measures with, so that thousands of repeats are affordable.
"""

import statistics
import sys
import time

import numpy as np
import onnxruntime

from bench.workers.turns import Turn

WARMUP_RUNS = 3
RUNS = 20


def main(path: str) -> None:
    """Load, warm up, measure."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL  # the file is optimised
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    numbers = np.random.default_rng(0)
    inputs = {item.name: numbers.standard_normal(item.shape, dtype=np.float32) for item in session.get_inputs()}
    times = []
    with Turn() as turn:
        for _ in range(WARMUP_RUNS + RUNS):
            turn.take()
            start = time.perf_counter()
            session.run(None, inputs)
            times.append((time.perf_counter() - start) * 1e3)
    print(f"{statistics.median(times[WARMUP_RUNS:]):.5g}")


if __name__ == "__main__":
    main(sys.argv[1])
