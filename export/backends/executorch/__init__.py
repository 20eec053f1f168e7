"""ExecuTorch with XNNPACK, Core ML and Vulkan."""
