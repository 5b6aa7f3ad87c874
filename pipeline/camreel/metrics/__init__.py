"""Pure functions of predictions and truth; every array says its shape, no metric reads a file or a network."""
