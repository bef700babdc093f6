"""The studies that the commands run: of the sampling step, of training, of memory."""
