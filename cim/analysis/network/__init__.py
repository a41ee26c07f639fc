"""Analysis of networks as pure functions on arrays: one graph, compiled kernels, positions instead of codes."""
