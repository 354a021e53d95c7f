"""The Keras layers, with their parameters in order."""

from __future__ import annotations

from tflint_nan.ops import layers
from tflint_nan.ops.handlers import nothing
from tflint_nan.ops.layers import (
    CELLS,
    CONV,
    DENSE,
    DIVIDING,
    SEVERAL,
    activated,
    emitter,
    fold,
    layer,
    opaque,
    recurrent,
    same,
    wrapper,
)
from tflint_nan.ops.table import BASES, Call, Machine, api
from tflint_nan.value import Value

_KERNEL = (
    "kernel_initializer bias_initializer kernel_regularizer bias_regularizer activity_regularizer "
    "kernel_constraint bias_constraint"
)


def _names(*stems: str, dims: str = "") -> str:
    return " ".join(f"keras.layers.{stem}{d}" for stem in stems for d in (dims.split() or [""]))


# Linear layers and normalisation.

_START = "filters kernel_size strides padding"
_DILATED = f"data_format dilation_rate activation use_bias {_KERNEL}"

layer("keras.layers.Dense", DENSE, f"units activation use_bias {_KERNEL} output_dim:units")
layer(
    "keras.layers.EinsumDense",
    activated(emitter("dense")),
    "equation output_shape activation bias_axes kernel_initializer bias_initializer",
)
layer(
    _names("Conv", "Convolution", dims="1D 2D 3D"),
    CONV,
    f"{_START} data_format dilation_rate groups activation use_bias {_KERNEL}",
)
layer(
    _names("Conv1DTranspose", "Convolution1DTranspose", "Conv2DTranspose", "Convolution2DTranspose"),
    CONV,
    f"{_START} output_padding {_DILATED}",
)
layer(
    _names("Conv3DTranspose", "Convolution3DTranspose"),
    CONV,
    f"{_START} data_format output_padding dilation_rate activation use_bias {_KERNEL}",
)
layer(
    _names("SeparableConv", "SeparableConvolution", dims="1D 2D"),
    CONV,
    f"{_START} data_format dilation_rate depth_multiplier activation use_bias depthwise_initializer "
    "pointwise_initializer bias_initializer",
)
layer(
    _names("DepthwiseConv", dims="1D 2D"),
    CONV,
    "kernel_size strides padding depth_multiplier data_format dilation_rate activation use_bias "
    "depthwise_initializer bias_initializer",
)
layer(
    _names("LocallyConnected", dims="1D 2D"),
    CONV,
    f"{_START} data_format activation use_bias {_KERNEL}",
    removed="2.15",
)
layer(
    "keras.layers.Embedding",
    emitter("embedding", "output_dim"),
    "input_dim output_dim embeddings_initializer embeddings_regularizer embeddings_constraint mask_zero",
)
# It ends with a linear projection.
layer(
    "keras.layers.MultiHeadAttention",
    layers.projected_attention,
    "num_heads key_dim value_dim dropout use_bias output_shape attention_axes",
)
layer(
    _names("GroupQueryAttention"),
    layers.projected_attention,
    "head_dim num_query_heads num_key_value_heads dropout use_bias",
)
layer("keras.layers.Attention", layers.attention, "use_scale score_mode dropout")
layer("keras.layers.AdditiveAttention", layers.attention, "use_scale dropout")
SEVERAL |= {f"keras.layers.{stem}Attention" for stem in ("MultiHead", "GroupQuery")}
layer(
    "keras.layers.ReversibleEmbedding",
    opaque,
    "input_dim output_dim tie_weights embeddings_initializer embeddings_regularizer embeddings_constraint",
)

_CENTRED = "axis epsilon center scale beta_initializer gamma_initializer beta_regularizer gamma_regularizer"
layer(
    "keras.layers.BatchNormalization",
    emitter("batch_norm"),
    "axis momentum epsilon center scale beta_initializer gamma_initializer moving_mean_initializer "
    "moving_variance_initializer beta_regularizer gamma_regularizer",
)
layer(
    "keras.layers.experimental.SyncBatchNormalization",
    emitter("batch_norm"),
    "axis momentum epsilon center scale",
    removed="2.15",
)
layer("keras.layers.LayerNormalization", emitter("layer_norm"), _CENTRED)
layer("keras.layers.GroupNormalization", emitter("layer_norm"), f"groups {_CENTRED}")
layer("keras.layers.RMSNormalization", emitter("layer_norm"), "axis epsilon")
DIVIDING |= {f"keras.layers.{_stem}Normalization" for _stem in ("Batch", "Layer", "Group", "RMS")}
DIVIDING.add("keras.layers.experimental.SyncBatchNormalization")
layer("keras.layers.UnitNormalization", emitter("l2_normalize", "axis"), "axis")
layer("keras.layers.SpectralNormalization", wrapper, "layer power_iterations")

# Recurrent layers.

_GATES = "units activation recurrent_activation use_bias "
_INITIAL = "kernel_initializer recurrent_initializer bias_initializer "
_REGULAR = (
    "kernel_regularizer recurrent_regularizer bias_regularizer activity_regularizer kernel_constraint "
    "recurrent_constraint bias_constraint dropout recurrent_dropout "
)
_RETURN = "return_sequences return_state go_backwards stateful unroll"

layer("keras.layers.LSTM", recurrent("lstm"), f"{_GATES}{_INITIAL}unit_forget_bias {_REGULAR}seed {_RETURN}")
layer("keras.layers.GRU", recurrent("gru"), f"{_GATES}{_INITIAL}{_REGULAR}seed {_RETURN}")
layer(
    "keras.layers.SimpleRNN",
    recurrent("rnn"),
    f"units activation use_bias {_INITIAL}{_REGULAR}{_RETURN}",
)
for stem, operator, signature in (
    ("LSTMCell", "lstm", f"{_GATES}{_INITIAL}"),
    ("GRUCell", "gru", f"{_GATES}{_INITIAL}"),
    ("SimpleRNNCell", "rnn", f"units activation use_bias {_INITIAL}"),
):
    layer(f"keras.layers.{stem}", emitter(operator, "units", "activation"), signature)
layer("keras.layers.CuDNNLSTM", recurrent("lstm"), f"units {_INITIAL}", removed="2.15")
layer("keras.layers.CuDNNGRU", recurrent("gru"), f"units {_INITIAL}", removed="2.15")
layer(
    _names("ConvLSTM", dims="1D 2D 3D"),
    recurrent("lstm"),
    "filters:units kernel_size strides padding data_format dilation_rate activation recurrent_activation "
    f"use_bias {_INITIAL}unit_forget_bias {_REGULAR}seed return_sequences return_state",
)
layer("keras.layers.StackedRNNCells", layers.stacked, "cells")
CELLS |= {f"keras.layers.{stem}" for stem in ("LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells")}
SEVERAL |= {f"keras.layers.{stem}" for stem in ("LSTM", "GRU", "SimpleRNN", "RNN", "CuDNNLSTM", "CuDNNGRU")}
layer("keras.layers.RNN", layers.over_cell, f"cell {_RETURN}")
layer("keras.layers.Bidirectional", layers.bidirectional, "layer merge_mode weights backward_layer")
layer("keras.layers.TimeDistributed", layers.distributed, "layer")

# Activations.

layer("keras.layers.Activation", activated(same), "activation")
layer("keras.layers.ReLU", layers.relu, "max_value negative_slope threshold")
layer("keras.layers.LeakyReLU", emitter("leaky_relu", "alpha"), "negative_slope:alpha alpha")
layer(
    "keras.layers.PReLU",
    emitter("prelu"),
    "alpha_initializer alpha_regularizer alpha_constraint shared_axes",
)
layer("keras.layers.ELU", emitter("elu", "alpha"), "alpha")
layer("keras.layers.ThresholdedReLU", emitter("threshold", "threshold"), "theta:threshold")
layer("keras.layers.Softmax", emitter("softmax", "axis"), "axis")

# What hands numbers on.

_POOL = "pool_size strides padding data_format"
layer("keras.layers.Flatten", emitter("flatten"), "data_format")
layer("keras.layers.Reshape", layers.reshape, "target_shape")
layer("keras.layers.Permute", layers.permute, "dims")
layer("keras.layers.RepeatVector", emitter("tile"), "n")
layer("keras.layers.UpSampling1D", emitter("resize"), "size")
layer("keras.layers.UpSampling2D", emitter("resize", "interpolation"), "size data_format interpolation")
layer("keras.layers.UpSampling3D", emitter("resize"), "size data_format")
layer("keras.layers.ZeroPadding1D", emitter("pad"), "padding data_format")
layer(_names("ZeroPadding", dims="2D 3D"), emitter("pad"), "padding data_format")
layer("keras.layers.Cropping1D", emitter("resize"), "cropping")
layer(_names("Cropping", dims="2D 3D"), emitter("resize"), "cropping data_format")
layer(_names("MaxPooling", "MaxPool", dims="1D 2D 3D"), emitter("max_pool"), _POOL)
layer(_names("AveragePooling", "AvgPool", dims="1D 2D 3D"), emitter("avg_pool"), _POOL)
layer(_names("AdaptiveMaxPooling", dims="1D 2D 3D"), emitter("max_pool"), "output_size data_format")
layer(_names("AdaptiveAveragePooling", dims="1D 2D 3D"), emitter("avg_pool"), "output_size data_format")
layer(
    _names("GlobalMaxPooling", "GlobalMaxPool", dims="1D 2D 3D"),
    emitter("max_pool"),
    "data_format keepdims",
)
layer(
    _names("GlobalAveragePooling", "GlobalAvgPool", dims="1D 2D 3D"),
    emitter("avg_pool"),
    "data_format keepdims",
)
layer("keras.layers.Dropout", layers.dropout, "rate noise_shape seed")
layer("keras.layers.GaussianDropout", emitter("noise"), "rate seed")
layer("keras.layers.SpatialDropout1D", layers.dropout, "rate")
layer(_names("SpatialDropout", dims="2D 3D"), layers.dropout, "rate data_format")
layer("keras.layers.AlphaDropout", emitter("noise"), "rate noise_shape seed")
layer("keras.layers.GaussianNoise", emitter("noise"), "stddev seed")
layer("keras.layers.Masking", emitter("augment"), "mask_value")  # masked steps are 0
layer("keras.layers.ActivityRegularization", same, "l1 l2")
layer("keras.layers.Identity", same, "")
layer(
    "keras.layers.InputLayer", same, "shape batch_size dtype sparse ragged batch_shape input_tensor optional"
)
layer("keras.layers.FlaxLayer", opaque, "module method variables")
layer("keras.layers.JaxLayer", opaque, "call_fn init_fn params")
layer("keras.layers.TFSMLayer", opaque, "filepath call_endpoint")
layer("keras.layers.TorchModuleWrapper", opaque, "module name output_shape")
layer("keras.layers.Lambda", layers.function, "function output_shape mask arguments")

# Merging layers, and their functions.


def _merge(name: str, operator: str) -> None:
    def function(machine: Machine, call: Call) -> Value:
        return layers.folded(machine, operator, call.arg("inputs"), None)

    layer(f"keras.layers.{name}", fold(operator), "")
    api(f"keras.layers.{name.lower()}", function, "inputs")


for stem, operator in (
    ("Add", "add"),
    ("Multiply", "mul"),
    ("Maximum", "maximum"),
    ("Minimum", "minimum"),
    ("Subtract", "sub"),
):
    _merge(stem, operator)
layer("keras.layers.Average", lambda m, made, x: layers.average(m, x, made.made), "")
layer(
    "keras.layers.Concatenate", lambda m, made, x: layers.concat(m, x, made.config("axis"), made.made), "axis"
)
layer(
    "keras.layers.Dot",
    lambda m, made, x: layers.dot(m, x, made.config("axes"), made.config("normalize"), made.made),
    "axes normalize",
)
api("keras.layers.average", lambda m, call: layers.average(m, call.arg("inputs"), None), "inputs")
api(
    "keras.layers.concatenate",
    lambda m, call: layers.concat(m, call.arg("inputs"), call.arg("axis"), None),
    "inputs axis",
)
api(
    "keras.layers.dot",
    lambda m, call: layers.dot(m, call.arg("inputs"), call.arg("axes"), call.arg("normalize"), None),
    "inputs axes normalize",
)

# What layers offer.

api("keras.activations.get", layers.identified, "identifier")

BASES["keras.layers.Layer"] = BASES["keras.Layer"] = "layer"
BASES["keras.layers.Wrapper"] = "layer"
BASES["tf.Module"] = "module"
api(
    "keras.Input keras.layers.Input",
    layers.placeholder_of,
    "shape batch_size dtype sparse ragged batch_shape name tensor",
)
api("layer.__call__", layers.call_layer, "self inputs:x training mask")
api(
    "layer.add_weight model.add_weight metric.add_weight",
    layers.add_weight,
    "self shape initializer:initial_value dtype trainable name regularizer constraint",
)
api("layer.build layer.adapt", nothing, "self")
