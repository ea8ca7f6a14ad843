"""The packages of raycl; pyproject.toml has all the rest.

The recipes of configs/ become the folder `configs` of the package, which only this file can say.
To setuptools a folder with data alone is a package too.
"""

from setuptools import find_namespace_packages, setup

code = find_namespace_packages(include=["raycl*"], exclude=["*__pycache__*"])
recipes = [
    "raycl.configs",
    *(f"raycl.configs.{name}" for name in find_namespace_packages("configs")),
]

setup(packages=[*code, *recipes], package_dir={"raycl.configs": "configs"})
