"""The passes by compiled kernels: on the processor, in float32 or float64."""
