"""Digests of content: numbers, names and choices without words, so that a reason rewritten makes no result stale."""

import hashlib
import json
from dataclasses import asdict, is_dataclass

import numpy as np

# What explains a number and does not enter one.
WORDS = ("title", "source", "at", "why", "confidence", "conflict", "alternative", "alternatives")
# Choices that count only where they are made, so that a new one makes no old result stale.
CHOICES = ("played", "complete")


def of(content):
    """SHA-256 of nested tables, rows, dataclasses and numbers, without `WORDS` and `CHOICES` not made."""
    return hashlib.sha256(json.dumps(_bare(content), sort_keys=True).encode()).hexdigest()


def _bare(content):
    if is_dataclass(content):
        content = asdict(content)
    if isinstance(content, dict):
        return {str(k): _bare(v) for k, v in content.items() if k not in WORDS and not (k in CHOICES and v in (False, None))}
    if isinstance(content, (list, tuple)):
        return [_bare(v) for v in content]
    return content.tolist() if isinstance(content, np.ndarray) else content


__all__ = ["of"]
