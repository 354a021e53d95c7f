"""What each TensorFlow, Keras and NumPy name means.

Importing the package fills the tables of `ops.table`: every module registers its own names.
"""

import importlib
import pkgutil

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")
