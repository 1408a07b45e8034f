"""The packaged suite: parametrised tests and nothing else."""
