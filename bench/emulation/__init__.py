"""An emulated arm64 machine that runs artifacts with their runtimes' ARM kernels."""
