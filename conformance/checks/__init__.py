"""The checks of the suite, one module per actor."""
