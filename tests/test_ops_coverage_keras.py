"""Every public callable of Keras and of TensorFlow 1's training modules is in the table, or listed."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import keras
import pytest
import tensorflow as tf
from tensorflow.python.keras.layers.legacy_rnn import rnn_cell_impl
from tensorflow.python.keras.legacy_tf_layers import convolutional, core, pooling

import tflint_nan.ops  # noqa: F401  (fills the tables)
from tflint_nan.ops.table import APIS, BASES, CONSTANTS

v1 = tf.compat.v1
#: Normalised module -> the modules whose names it has.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "keras": (keras,),
    "keras.activations": (keras.activations,),
    "keras.applications": (keras.applications,),
    "keras.backend": (tf.keras.backend,),
    "keras.callbacks": (keras.callbacks,),
    "keras.constraints": (keras.constraints,),
    "keras.initializers": (keras.initializers,),
    "keras.layers": (keras.layers, tf.keras.layers),
    "keras.losses": (keras.losses, tf.keras.losses),
    "keras.metrics": (keras.metrics, tf.keras.metrics),
    "keras.ops": (keras.ops,),
    "keras.optimizers": (keras.optimizers, tf.keras.optimizers),
    "keras.preprocessing": (keras.preprocessing,),
    "keras.random": (keras.random,),
    "keras.regularizers": (keras.regularizers,),
    "keras.utils": (keras.utils,),
    "tf.distributions": (v1.distributions,),
    # These two raise where the package tf_keras is not installed (`dir`, too): TensorFlow still ships the
    # modules that define what they export.
    "tf.layers": (convolutional, core, pooling),
    "tf.nn.rnn_cell": (rnn_cell_impl,),
    "tf.losses": (v1.losses,),
    "tf.metrics": (v1.metrics,),
    "tf.train": (v1.train,),
}

#: Reason -> names that no operator stands for, with the module in front of them.
LEFT_OUT: dict[str, str] = {
    "writes or reads a configuration": """
        keras.activations.deserialize keras.activations.serialize keras.constraints.deserialize
        keras.constraints.serialize keras.initializers.deserialize keras.initializers.serialize
        keras.layers.deserialize keras.layers.serialize keras.losses.deserialize keras.losses.serialize
        keras.metrics.deserialize keras.metrics.serialize keras.optimizers.deserialize
        keras.optimizers.serialize keras.regularizers.deserialize keras.regularizers.serialize
        keras.utils.Config keras.utils.CustomObjectScope keras.utils.custom_object_scope
        keras.utils.deserialize_keras_object keras.utils.get_custom_objects keras.utils.get_registered_name
        keras.utils.get_registered_object keras.utils.register_keras_serializable
        keras.utils.serialize_keras_object keras.metrics.get
    """,
    "a type that Keras keeps of tensors, layers and operations; nothing is computed by making one": """
        keras.FloatDTypePolicy keras.Function keras.InputSpec keras.KerasTensor
        keras.Operation keras.Quantizer keras.layers.InputSpec
        tf.distributions.RegisterKL tf.distributions.ReparameterizationType tf.losses.Reduction
        keras.losses.Reduction
    """,
    "a scope, a device, a seed or a switch: no numbers": """
        keras.RematScope keras.StatelessScope keras.SymbolicScope keras.device keras.name_scope keras.remat
        keras.version keras.utils.clear_session keras.utils.disable_interactive_logging
        keras.utils.enable_interactive_logging keras.utils.is_interactive_logging_enabled
        keras.utils.set_random_seed
    """,
    "a question about types, which Python answers": """
        keras.backend.is_float_dtype keras.backend.is_int_dtype keras.backend.is_keras_tensor
        keras.backend.is_sparse keras.backend.result_type keras.backend.standardize_dtype
        keras.ops.is_tensor keras.utils.is_keras_tensor keras.utils.standardize_dtype
    """,
    "calls the program's functions in a way that is not followed": """
        keras.backend.rnn keras.ops.associative_scan keras.ops.jvp keras.ops.switch keras.ops.vectorize
    """,
    "one optimizer for each group of variables: which rate meets which is not followed": """
        keras.optimizers.MultiOptimizer keras.optimizers.OptimizerMap
    """,
    "files, pictures of models, progress on the screen": """
        keras.utils.Progbar keras.utils.array_to_img keras.utils.get_file keras.utils.model_to_dot
        keras.utils.plot_model keras.utils.save_img
    """,
    "takes models, data sets and tuples apart; the values in them are not followed": """
        keras.utils.FeatureSpace keras.utils.get_source_inputs keras.utils.pack_x_y_sample_weight
        keras.utils.split_dataset keras.utils.unpack_x_y_sample_weight
    """,
    "checkpoints": """
        tf.train.CheckpointOptions tf.train.CheckpointSaverListener tf.train.NewCheckpointReader
        tf.train.checkpoint_exists tf.train.checkpoints_iterator tf.train.export_meta_graph
        tf.train.generate_checkpoint_state_proto tf.train.get_checkpoint_mtimes
        tf.train.get_checkpoint_state tf.train.import_meta_graph tf.train.init_from_checkpoint
        tf.train.latest_checkpoint tf.train.list_variables tf.train.load_checkpoint tf.train.load_variable
        tf.train.remove_checkpoint tf.train.update_checkpoint_state tf.train.warm_start tf.train.VocabInfo
        tf.train.write_graph
    """,
    "records of protocol buffers": """
        tf.train.BytesList tf.train.ClusterDef tf.train.Example tf.train.Feature tf.train.FeatureList
        tf.train.FeatureLists tf.train.Features tf.train.FloatList tf.train.Int64List tf.train.JobDef
        tf.train.SaverDef tf.train.SequenceExample tf.train.ServerDef tf.train.summary_iterator
    """,
    "servers, sessions and their arguments": """
        tf.train.ChiefSessionCreator tf.train.ClusterSpec tf.train.LooperThread
        tf.train.NanLossDuringTrainingError tf.train.Server tf.train.SessionCreator tf.train.SessionManager
        tf.train.SessionRunArgs tf.train.SessionRunContext tf.train.SessionRunValues
        tf.train.WorkerSessionCreator tf.train.basic_train_loop tf.train.replica_device_setter
    """,
    "queues of file names and counters, and what starts them": """
        tf.train.add_queue_runner tf.train.input_producer tf.train.match_filenames_once
        tf.train.range_input_producer tf.train.start_queue_runners tf.train.string_input_producer
    """,
    "counters of steps": "tf.train.assert_global_step tf.train.global_step",
    "a kernel of linear models that no program calls itself": """
        tf.train.do_quantize_training_on_graphdef tf.train.sdca_fprint tf.train.sdca_optimizer
        tf.train.sdca_shrink_l1
    """,
}
LEFT_OUT_NAMES = {name: reason for reason, names in LEFT_OUT.items() for name in names.split()}
#: What the modules that define `tf.layers` and `tf.nn.rnn_cell` have beside it: names of earlier versions.
_OLDER = ("onvolution", "econv", "onnected", "Pool2D", "pool2d")
_HELPERS = {"ASSERT_LIKE", "LayerRNNCell", "assert_like_rnncell"}


def public(module: str) -> dict[str, Any]:
    """The public callables of a module, by normalised name."""
    found: dict[str, Any] = {}
    for place in MODULES[module]:
        own = module in ("tf.layers", "tf.nn.rnn_cell")
        for name in dir(place):
            item = getattr(place, name)
            if name.startswith("_") or not callable(item) or inspect.ismodule(item):
                continue
            if own and (
                getattr(item, "__module__", "").rpartition(".")[2] not in place.__name__
                or name in _HELPERS
                or any(part in name for part in _OLDER)
            ):
                continue
            found[f"{module}.{name}"] = item
    return found


def in_table(name: str) -> bool:
    """Whether the operator table knows a name."""
    return name in APIS or name in BASES or name in CONSTANTS


@pytest.mark.parametrize("module", MODULES)
def test_every_name_is_in_the_table_or_listed(module: str) -> None:
    names = public(module)
    assert names
    assert [name for name in names if not in_table(name) and name not in LEFT_OUT_NAMES] == []


def test_what_is_listed_exists_and_is_not_in_the_table() -> None:
    real = {name for module in MODULES for name in public(module)}
    assert sorted(LEFT_OUT_NAMES.keys() - real) == []
    assert [name for name in LEFT_OUT_NAMES if in_table(name)] == []


def test_no_name_has_two_reasons() -> None:
    assert len(LEFT_OUT_NAMES) == sum(len(names.split()) for names in LEFT_OUT.values())


@pytest.mark.parametrize("module", ["tf.layers", "tf.nn.rnn_cell"])
def test_modules_that_need_another_package_still_do(module: str) -> None:
    """As soon as TensorFlow gives them again, their names are to be read there."""
    place: Any = v1
    for part in module.split(".")[1:]:
        place = getattr(place, part)
    with pytest.raises(ImportError):
        dir(place)


def test_names_of_tf_keras_are_those_of_keras() -> None:
    """A normalised `keras.` name may come through either."""
    here = {name for name in dir(tf.keras.layers) if name[0].isupper()}
    assert here <= {name.rpartition(".")[2] for name in (*APIS, *BASES)} | {"InputSpec"}
