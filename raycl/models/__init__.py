"""Pretrained models that recipes start from: read, identified by content, kept in the storage."""
