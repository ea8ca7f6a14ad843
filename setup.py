"""The packages of raycl; pyproject.toml has all the rest.

The recipes of configs/ become the folder `configs` of the package, which only this file can say.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["raycl*"]), "raycl.configs"],
    package_dir={"raycl.configs": "configs"},
)
