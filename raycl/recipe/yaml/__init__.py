"""The one reader of YAML that people write: strict, within limits, and with lines in its errors."""

from raycl.recipe.yaml.compose import compose
from raycl.recipe.yaml.document import Document, parse_document, read_document
from raycl.recipe.yaml.source import decoded, read_source

__all__ = ["Document", "compose", "decoded", "parse_document", "read_document", "read_source"]
