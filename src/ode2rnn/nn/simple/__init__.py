"""The layers without gates: the standard and the canonical RNN."""
