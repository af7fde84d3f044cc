"""Imported by every interpreter that starts with this folder on its path: its nights draw no pictures and write empty reports."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from seedtest_assets_tests.no_pictures import PICTURES, REPORT

REPLACED = REPORT | PICTURES


class _Replacing(MetaPathFinder):
    """Finds the modules of REPLACED, and changes them when they are loaded, which few of the interpreters do."""

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name in REPLACED else None
        if spec:
            load = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                load(module)
                vars(module).update(REPLACED[name])

            spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, _Replacing())
