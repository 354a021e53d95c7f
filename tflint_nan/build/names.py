"""Library names as the operator table writes them: one name, however it was imported."""

from __future__ import annotations

from functools import cache, lru_cache

from tflint_nan.ops.table import APIS, BASES, CONSTANTS

#: Prefixes of dotted names and what the operator table calls them. Longest first.
_PREFIXES = sorted(
    {
        "tensorflow": "tf",
        "tensorflow.compat.v1": "tf",
        "tensorflow.compat.v2": "tf",
        "tf.compat.v1": "tf",
        "tf.compat.v2": "tf",
        "tensorflow.python.framework.ops": "tf",
        "tensorflow.python.ops.array_ops": "tf",
        "tensorflow.python.ops.clip_ops": "tf",
        "tensorflow.python.ops.control_flow_ops": "tf",
        "tensorflow.python.ops.init_ops": "tf",
        "tensorflow.python.ops.math_ops": "tf",
        "tensorflow.python.ops.nn": "tf.nn",
        "tensorflow.python.ops.nn_ops": "tf.nn",
        "tensorflow.python.ops.random_ops": "tf",
        "tensorflow.python.ops.variable_scope": "tf",
        "tensorflow.python.platform.flags": "tf.flags",
        "tensorflow.python.training.moving_averages": "moving_averages",
        "tensorflow.python.platform": "tf",
        "tensorflow.keras": "keras",
        "tensorflow.python.keras": "keras",
        "tensorflow.contrib.keras": "keras",
        "tensorflow.contrib.keras.python.keras": "keras",
        "tf.keras": "keras",
        "tf.contrib.keras": "keras",
        "tf.python.keras": "keras",
        "tf_keras": "keras",
        "keras.api": "keras",
        "keras.src": "keras",
        "keras.backend.tensorflow_backend": "keras.backend",
        "numpy": "np",
        "tensorflow_probability": "tfp",
        "tensorflow_addons": "tfa",
        "tensorflow_datasets": "tfds",
        "tf_slim": "tf.contrib.slim",
        "pandas": "pd",
    }.items(),
    key=lambda item: -len(item[0]),
)


@lru_cache(maxsize=8192)
def normalise(name: str) -> str:
    """The operator table's spelling of a dotted name: `tensorflow.keras.layers` is `keras.layers`.

    A name inside a module that the library also exports one level up is written there
    (`keras.layers.core.Dense` is `keras.layers.Dense`), where the table knows only the latter.
    """
    changed = True
    while changed:
        changed = False
        for prefix, short in _PREFIXES:
            if name == prefix or name.startswith(prefix + "."):
                name = short + name[len(prefix) :]
                changed = True
                break
    if name not in APIS and name.startswith("keras.") and name.count(".") >= 3:
        head, _, last = name.rpartition(".")
        shorter = head.rpartition(".")[0] + "." + last
        if shorter in APIS:
            return shorter
    return name


@cache
def _modules() -> frozenset[str]:
    found: set[str] = set()
    for name in (*APIS, *BASES, *CONSTANTS):
        while (name := name.rpartition(".")[0]) and name not in found:
            found.add(name)
    return frozenset(found)


def is_module(name: str) -> bool:
    """Whether the operator table has names inside of a normalised one: a module of a library, or a class."""
    return name in _modules()
