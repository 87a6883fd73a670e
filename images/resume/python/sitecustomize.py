"""Loaded first by every CPython that has this folder in PYTHONPATH. Loads the sitecustomize that it hides, too."""
import importlib.machinery
import importlib.util
import os
import sys

import anchorhold_resume  # noqa: F401

_here = os.path.dirname(os.path.abspath(__file__))
_hidden = importlib.machinery.PathFinder.find_spec(
    "sitecustomize", [folder for folder in sys.path if os.path.abspath(folder) != _here]
)
if _hidden is not None and _hidden.loader is not None:
    _hidden.loader.exec_module(importlib.util.module_from_spec(_hidden))
