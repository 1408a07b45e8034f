"""OSProfiler: a request that carries its headers leaves points, as in a cloud whose services have it switched on."""
