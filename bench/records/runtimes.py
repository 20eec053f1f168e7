"""Names of the runtimes that run no artifact."""

PYTORCH = "pytorch"
COMPILED = "pytorch-compiled"
PYTORCH_RUNTIMES = (PYTORCH, COMPILED)
"""They run the model itself, in fp32; every other runtime runs an artifact."""
