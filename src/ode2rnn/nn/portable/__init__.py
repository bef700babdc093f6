"""What brings layers from elsewhere and takes them there: torch, Keras, cells, files."""
