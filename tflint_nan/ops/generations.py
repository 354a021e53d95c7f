"""Which normalised `tf.` names only one generation of TensorFlow has.

Read off TensorFlow 2.21: a name of `tensorflow.compat.v1` that `tensorflow` lacks is of generation 1, as
is every name of `tf.contrib`, `tf.layers` and of releases before 1.0. A test compares the operator table
with both.
"""

from __future__ import annotations

import re

_V1_MODULES = ("tf.app.", "tf.contrib.", "tf.examples.", "tf.flags.", "tf.layers.", "tf.nn.rnn_cell.")
_V1 = """
InteractiveSession Print Session accumulate_n arg_max arg_min assign assign_add assign_sub batch_matmul
ceil check_numerics concat_v2 count_nonzero cumprod depth_to_space diag_part digamma div div_no_nan erf
erfc expm1 floor_div floordiv floormod get_default_session get_variable global_variables_initializer
glorot_normal_initializer glorot_uniform_initializer initialize_all_variables inv is_finite is_inf is_nan
lgamma lin_space log log1p log_sigmoid logical_xor matrix_band_part matrix_diag matrix_diag_part
matrix_transpose mod mul neg orthogonal_initializer pack placeholder placeholder_with_default random_crop
random_normal random_shuffle random_uniform reciprocal reverse_v2 rint rsqrt segment_max segment_mean
segment_min segment_prod segment_sum select space_to_depth sparse_placeholder sparse_tensor_dense_matmul
squared_difference sub to_bfloat16 to_double to_float to_int32 to_int64 trace truncated_normal
truncated_normal_initializer unpack unsorted_segment_max unsorted_segment_mean unsorted_segment_min
unsorted_segment_prod unsorted_segment_sum variance_scaling_initializer where_v2
data.make_initializable_iterator data.make_one_shot_iterator debugging.is_finite debugging.is_inf
debugging.is_nan image.resize_area image.resize_bilinear image.resize_image_with_crop_or_pad
image.resize_image_with_pad image.resize_images image.resize_nearest_neighbor losses.absolute_difference
losses.add_loss losses.compute_weighted_loss losses.cosine_distance losses.get_regularization_loss
losses.get_total_loss losses.hinge_loss losses.huber_loss losses.log_loss losses.mean_squared_error
losses.sigmoid_cross_entropy losses.softmax_cross_entropy losses.sparse_softmax_cross_entropy
mixed_precision.enable_mixed_precision_graph_rewrite nn.bidirectional_dynamic_rnn nn.dynamic_rnn
nn.fused_batch_norm nn.relu_layer nn.softmax_cross_entropy_with_logits_v2 nn.static_rnn nn.xw_plus_b
sparse.matmul tpu.CrossShardOptimizer train.AdadeltaOptimizer train.AdagradDAOptimizer
train.AdagradOptimizer train.AdamOptimizer train.FtrlOptimizer train.GradientDescentOptimizer
train.MomentumOptimizer train.MonitoredSession train.MonitoredTrainingSession
train.ProximalAdagradOptimizer train.ProximalGradientDescentOptimizer train.RMSPropOptimizer
train.SingularMonitoredSession train.Supervisor train.SyncReplicasOptimizer train.batch train.cosine_decay
train.cosine_decay_restarts train.create_global_step
train.experimental.enable_mixed_precision_graph_rewrite train.exponential_decay train.get_global_step
train.get_or_create_global_step train.inverse_time_decay train.linear_cosine_decay train.natural_exp_decay
train.piecewise_constant train.piecewise_constant_decay train.polynomial_decay train.shuffle_batch
"""
_V1_NAMES = frozenset(f"tf.{name}" for name in _V1.split())
#: Modules that TensorFlow 2 took over from Keras, and TensorFlow 1 fills with functions.
_V2_CLASS = re.compile(r"tf\.(?:initializers|losses|metrics|optimizers)\.[A-Z]")
_V2_NAMES = frozenset({"tf.image.resize_with_pad", "tf.nn.gelu"})


def is_v1_only(name: str) -> bool:
    """Whether TensorFlow 2 has `name` only under `tf.compat.v1`, or no more."""
    return name in _V1_NAMES or name.startswith(_V1_MODULES)


def is_v2_only(name: str) -> bool:
    """Whether TensorFlow 1 never had `name`."""
    return name.startswith("tf.experimental.numpy.") or name in _V2_NAMES or _V2_CLASS.match(name) is not None
