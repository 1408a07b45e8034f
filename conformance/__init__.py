"""Whether a cloud launches a server the right way: 28 steps and 133 checks, each with a verdict and its evidence.

Works on any OpenStack by what it shows to the outside; it knows the mock cloud of this repository as little as any other.
"""
