"""The version of raycl, in a module of its own so that nothing has to import the public face."""

VERSION = "0.1.0"
