"""Every public callable of TensorFlow's numeric modules is in the operator table, or listed with a reason."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import tensorflow as tf

import tflint_nan.ops  # noqa: F401  (fills the tables)
from tflint_nan.ops.table import APIS, BASES, CONSTANTS

ROOTS = (tf, tf.compat.v1)
MODULES = ("", "math", "math.special", "nn", "linalg", "random", "signal", "image", "sparse", "bitwise")

#: Reason -> names that no operator stands for, with the module in front of them.
LEFT_OUT: dict[str, str] = {
    "asserts that say nothing of numbers": "assert_proper_iterable assert_variables_initialized",
    "functions of functions: the function is read where it stands, what comes out is not known": """
        function grad_pass_through make_template nondifferentiable_batch_function numpy_function py_func
        py_function wrap_function nn.raw_rnn nn.with_space_to_batch sparse.map_values
    """,
    "graphs, sessions, devices, names and modes: no numbers": """
        NoGradient NotDifferentiable add_check_numerics_ops all_variables check_pinned colocate_with
        container control_flow_v2_enabled create_partitioned_variables delete_session_tensor device
        disable_control_flow_v2 disable_eager_execution disable_resource_variables disable_tensor_equality
        disable_v2_behavior disable_v2_tensorshape enable_control_flow_v2 enable_eager_execution
        enable_resource_variables enable_tensor_equality enable_v2_behavior enable_v2_tensorshape
        executing_eagerly executing_eagerly_outside_functions fixed_size_partitioner get_current_name_scope
        get_default_graph get_local_variable get_logger get_seed get_session_handle get_session_tensor
        get_static_value get_variable_scope global_variables global_variables_initializer import_graph_def
        init_scope initialize_all_tables initialize_all_variables initialize_local_variables
        initialize_variables inside_function is_variable_initialized load_file_system_library load_library
        load_op_library local_variables local_variables_initializer min_max_variable_partitioner
        model_variables moving_average_variables no_gradient no_regularizer op_scope print
        register_tensor_conversion_function report_uninitialized_variables reset_default_graph
        resource_variables_enabled set_random_seed tables_initializer timestamp trainable_variables
        variable_axis_size_partitioner variable_creator_scope variable_op_scope variables_initializer
        random.create_rng_state random.fold_in random.get_seed random.set_global_generator
        random.set_random_seed random.set_seed random.split
    """,
    "questions about types and shapes: Python answers them": """
        broadcast_dynamic_shape broadcast_static_shape dimension_at_index dimension_value
        is_numeric_tensor is_symbolic_tensor is_tensor make_ndarray make_tensor_proto
        required_space_to_batch_paddings shape_n type_spec_from_value image.extract_jpeg_shape image.is_jpeg
    """,
    "files, records, bytes and strings": """
        as_string decode_base64 decode_compressed decode_csv decode_json_example encode_base64
        fingerprint matching_files parse_example parse_single_example parse_single_sequence_example
        parse_tensor read_file reduce_join regex_replace serialize_tensor string_join string_split
        string_strip string_to_hash_bucket string_to_hash_bucket_fast string_to_hash_bucket_strong
        string_to_number substr write_file image.encode_jpeg image.encode_png sparse.cross
        sparse.cross_hashed
    """,
    "bookkeeping of sparse and ragged tensors": """
        convert_to_tensor_or_indexed_slices convert_to_tensor_or_sparse_tensor deserialize_many_sparse
        ragged_fill_empty_rows ragged_fill_empty_rows_grad serialize_many_sparse serialize_sparse
        sparse_fill_empty_rows sparse_merge sparse_reduce_max_sparse sparse_reduce_sum_sparse
        sparse_reset_shape sparse_split sparse_to_indicator sparse.fill_empty_rows sparse.merge
        sparse.reduce_max_sparse sparse.reduce_sum_sparse sparse.reset_shape sparse.sampled_addmm
        sparse.to_indicator
    """,
    "decoders and matches of label sequences: no gradient, no numbers to divide by": """
        image.generate_bounding_box_proposals nn.collapse_repeated nn.compute_accidental_hits
        nn.ctc_beam_search_decoder nn.ctc_beam_search_decoder_v2 nn.ctc_greedy_decoder nn.ctc_unique_labels
    """,
    "kernels of quantised inference": """
        dequantize fake_quant_with_min_max_args fake_quant_with_min_max_args_gradient
        fake_quant_with_min_max_vars fake_quant_with_min_max_vars_gradient
        fake_quant_with_min_max_vars_per_channel fake_quant_with_min_max_vars_per_channel_gradient quantize
        quantize_v2 quantized_concat nn.quantized_avg_pool nn.quantized_conv2d nn.quantized_max_pool
        nn.quantized_relu_x
    """,
    "recurrent cells that a queue feeds": "nn.static_bidirectional_rnn nn.static_state_saving_rnn",
    "a variable that counts": "count_up_to",
    "second derivatives, of which nothing is known": "hessians",
    "returns a function": "signal.inverse_stft_window_fn",
}
REASONS = {f"tf.{name}": reason for reason, names in LEFT_OUT.items() for name in names.split()}


def callables(module: str) -> dict[str, list[Any]]:
    """The public callables of a module by normalised name, one for each generation that has it."""
    found: dict[str, list[Any]] = {}
    for root in ROOTS:
        place = root
        for part in module.split(".") if module else ():
            place = getattr(place, part, None)
        for name in dir(place) if place is not None else ():
            item = getattr(place, name)
            if not name.startswith("_") and callable(item) and not inspect.ismodule(item):
                found.setdefault(".".join(p for p in ("tf", module, name) if p), []).append(item)
    return found


def is_type(items: list[Any]) -> bool:
    """True for classes: what they compute, their methods do."""
    return all(inspect.isclass(item) for item in items)


def in_table(name: str) -> bool:
    """Whether the operator table knows a name."""
    return name in APIS or name in BASES or name in CONSTANTS


@pytest.mark.parametrize("module", MODULES)
def test_every_function_is_in_the_table_or_listed(module: str) -> None:
    missing = [
        name
        for name, items in callables(module).items()
        if not in_table(name) and name not in REASONS and not is_type(items)
    ]
    assert missing == []


def test_what_is_listed_exists_and_is_not_in_the_table() -> None:
    real = {name: items for module in MODULES for name, items in callables(module).items()}
    assert [name for name in REASONS if name not in real] == []
    assert [name for name in REASONS if in_table(name)] == []
    assert [name for name in REASONS if name in real and is_type(real[name])] == []


def test_no_name_has_two_reasons() -> None:
    assert len(REASONS) == sum(len(names.split()) for names in LEFT_OUT.values())
