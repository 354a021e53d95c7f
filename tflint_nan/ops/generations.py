"""Which normalised `tf.` names only one generation of TensorFlow has.

Read off TensorFlow 2.21: a name of `tensorflow.compat.v1` that `tensorflow` lacks is of generation 1, as
is every name of `tf.contrib`, `tf.layers` and of releases before 1.0. A test compares the operator table
with both.
"""

from __future__ import annotations

import re

_V1_MODULES = (
    *("tf.app.", "tf.contrib.", "tf.distributions.", "tf.examples.", "tf.flags.", "tf.layers."),
    "tf.nn.rnn_cell.",
)
_V1 = """
add_to_collection add_to_collections assert_greater_equal assert_integer assert_less_equal assert_near
assert_negative assert_non_negative assert_non_positive assert_none_equal assert_positive
assert_rank_at_least assert_rank_in assert_same_float_dtype assert_scalar assert_type get_collection
get_collection_ref train.CheckpointSaverHook train.FeedFnHook train.FinalOpsHook
train.GlobalStepWaiterHook train.LoggingTensorHook train.NanTensorHook train.ProfilerHook
train.QueueRunner train.Saver train.Scaffold train.SecondOrStepTimer train.StepCounterHook
train.StopAtStepHook train.SummarySaverHook train.batch_join train.limit_epochs train.maybe_batch
train.maybe_batch_join train.maybe_shuffle_batch train.maybe_shuffle_batch_join
train.noisy_linear_cosine_decay train.shuffle_batch_join train.slice_input_producer
train.experimental.MixedPrecisionLossScaleOptimizer
InteractiveSession Print Session accumulate_n angle arg_max arg_min assign assign_add assign_sub
batch_gather batch_matmul batch_scatter_update batch_to_space_nd betainc bincount ceil check_numerics
cholesky cholesky_solve clip_by_average_norm concat_v2 confusion_matrix conj count_nonzero cross cumprod
decode_raw depth_to_space diag diag_part digamma div div_no_nan erf erfc expm1 extract_image_patches fft
fft2d fft3d floor_div floordiv floormod get_default_session get_variable global_norm
global_variables_initializer glorot_normal_initializer glorot_uniform_initializer ifft ifft2d ifft3d
igamma igammac imag initialize_all_variables inv invert_permutation is_finite is_inf is_nan
is_non_decreasing is_strictly_increasing lbeta lgamma lin_space log log1p log_sigmoid logical_xor
matrix_band_part matrix_determinant matrix_diag matrix_diag_part matrix_inverse matrix_set_diag
matrix_solve matrix_solve_ls matrix_transpose matrix_triangular_solve mod mul multinomial neg
orthogonal_initializer pack placeholder placeholder_with_default polygamma qr random_crop random_gamma
random_normal random_poisson random_shuffle random_uniform real reciprocal reverse_v2 rint rsqrt
scatter_add scatter_div scatter_max scatter_min scatter_mul scatter_nd_add scatter_nd_sub
scatter_nd_update scatter_sub scatter_update segment_max segment_mean segment_min segment_prod
segment_sum select self_adjoint_eig self_adjoint_eigvals setdiff1d space_to_depth sparse_add
sparse_concat sparse_mask sparse_matmul sparse_maximum sparse_minimum sparse_placeholder
sparse_reduce_max sparse_reduce_sum sparse_reorder sparse_reshape sparse_retain sparse_segment_mean
sparse_segment_sqrt_n sparse_segment_sum sparse_slice sparse_softmax sparse_tensor_dense_matmul
sparse_tensor_to_dense sparse_to_dense sparse_transpose squared_difference sub svd tensor_scatter_add
tensor_scatter_sub tensor_scatter_update to_bfloat16 to_complex128 to_complex64 to_double to_float
to_int32 to_int64 trace truncated_normal truncated_normal_initializer uniform_unit_scaling_initializer
unpack unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_prod
unsorted_segment_sqrt_n unsorted_segment_sum variance_scaling_initializer verify_tensor_all_finite
where_v2 zeta data.make_initializable_iterator data.make_one_shot_iterator debugging.is_finite
debugging.is_inf debugging.is_nan image.extract_image_patches image.resize_area image.resize_bicubic
image.resize_bilinear image.resize_image_with_crop_or_pad image.resize_image_with_pad image.resize_images
image.resize_nearest_neighbor image.transpose_image linalg.transpose losses.absolute_difference
losses.add_loss losses.compute_weighted_loss losses.cosine_distance losses.get_losses
losses.get_regularization_loss losses.get_regularization_losses losses.get_total_loss losses.hinge_loss
losses.huber_loss losses.log_loss losses.mean_pairwise_squared_error losses.mean_squared_error
losses.sigmoid_cross_entropy losses.softmax_cross_entropy losses.sparse_softmax_cross_entropy
metrics.accuracy metrics.auc metrics.average_precision_at_k metrics.false_negatives
metrics.false_negatives_at_thresholds metrics.false_positives metrics.false_positives_at_thresholds
metrics.mean metrics.mean_absolute_error metrics.mean_cosine_distance metrics.mean_iou
metrics.mean_per_class_accuracy metrics.mean_relative_error metrics.mean_squared_error
metrics.mean_tensor metrics.percentage_below metrics.precision metrics.precision_at_k
metrics.precision_at_thresholds metrics.precision_at_top_k metrics.recall metrics.recall_at_k
metrics.recall_at_thresholds metrics.recall_at_top_k metrics.root_mean_squared_error
metrics.sensitivity_at_specificity metrics.sparse_average_precision_at_k metrics.sparse_precision_at_k
metrics.specificity_at_sensitivity metrics.true_negatives metrics.true_negatives_at_thresholds
metrics.true_positives metrics.true_positives_at_thresholds
mixed_precision.enable_mixed_precision_graph_rewrite nn.avg_pool_v2 nn.bidirectional_dynamic_rnn
nn.conv2d_backprop_filter nn.conv2d_backprop_input nn.conv3d_backprop_filter nn.conv3d_backprop_filter_v2
nn.ctc_loss_v2 nn.depthwise_conv2d_native nn.depthwise_conv2d_native_backprop_filter
nn.depthwise_conv2d_native_backprop_input nn.dynamic_rnn nn.fused_batch_norm
nn.log_uniform_candidate_sampler nn.max_pool_v2 nn.relu_layer nn.softmax_cross_entropy_with_logits_v2
nn.static_rnn nn.uniform_candidate_sampler nn.xw_plus_b random.multinomial random.stateless_multinomial
sparse.matmul sparse.placeholder tpu.CrossShardOptimizer train.AdadeltaOptimizer train.AdagradDAOptimizer
train.AdagradOptimizer train.AdamOptimizer train.FtrlOptimizer train.GradientDescentOptimizer
train.MomentumOptimizer train.MonitoredSession train.MonitoredTrainingSession
train.ProximalAdagradOptimizer train.ProximalGradientDescentOptimizer train.RMSPropOptimizer
train.SingularMonitoredSession train.Supervisor train.SyncReplicasOptimizer train.batch
train.cosine_decay train.cosine_decay_restarts train.create_global_step
train.experimental.enable_mixed_precision_graph_rewrite train.exponential_decay train.get_global_step
train.get_or_create_global_step train.inverse_time_decay train.linear_cosine_decay
train.natural_exp_decay train.piecewise_constant train.piecewise_constant_decay train.polynomial_decay
train.shuffle_batch
"""
_V1_NAMES = frozenset(f"tf.{name}" for name in _V1.split())
#: Modules that TensorFlow 2 took over from Keras, and TensorFlow 1 fills with functions.
_V2_CLASS = re.compile(r"tf\.(?:initializers|losses|metrics|optimizers)\.[A-Z]")
_V2 = """
eig eigvals image.resize_with_pad linalg.banded_triangular_solve linalg.eig linalg.eigvals nn.gelu
nn.isotonic_regression
distribute.MultiWorkerMirroredStrategy distribute.ParameterServerStrategy distribute.TPUStrategy
"""
_V2_NAMES = frozenset(f"tf.{name}" for name in _V2.split())
_V2_START = ("tf.experimental.numpy.", "tf.image.stateless_")


def is_v1_only(name: str) -> bool:
    """Whether TensorFlow 2 has `name` only under `tf.compat.v1`, or no more."""
    return name in _V1_NAMES or name.startswith(_V1_MODULES)


def is_v2_only(name: str) -> bool:
    """Whether TensorFlow 1 never had `name`."""
    return name.startswith(_V2_START) or name in _V2_NAMES or _V2_CLASS.match(name) is not None
