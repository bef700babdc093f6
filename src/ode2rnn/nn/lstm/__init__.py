"""The LSTM layers, Vanilla and Augmented."""
