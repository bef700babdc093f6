"""The passes in plain torch: for every device, dtype and activation."""
