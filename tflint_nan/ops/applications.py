"""Keras' pretrained models (`keras.applications`)."""

from __future__ import annotations

from tflint_nan.ops.handlers import truth
from tflint_nan.ops.layers import activate, input_of
from tflint_nan.ops.table import Call, Machine, api
from tflint_nan.value import NONE, Const, Tensor, Value


def pretrained(machine: Machine, call: Call) -> Value:
    """`keras.applications.*`: softmax over the classes with the top, unknown features without."""
    model = machine.new("model", call)
    given = call.arg("input_tensor")
    x = given if isinstance(given, Tensor) else input_of(machine, model)
    features = machine.emit("unknown_call", {"0": x}, at=model.made)
    if truth(call.arg("include_top"), True) is True:
        units = Const(1000) if call.arg("classes") is NONE else call.arg("classes")
        logits = machine.emit("dense", {"x": features, "units": units}, at=model.made)
        activation = call.arg("classifier_activation")
        if "classifier_activation" not in call.args:
            activation = Const("softmax")
        features = activate(machine, activation, logits, model.made)
    machine.set(model, "input", x)
    machine.set(model, "output", features)
    return model


_TOP = "weights input_tensor input_shape pooling classes classifier_activation"
for _names, _signature in (
    (
        "VGG16 VGG19 ResNet50 ResNet101 ResNet152 ResNet50V2 ResNet101V2 ResNet152V2 InceptionV3 Xception "
        "InceptionResNetV2 DenseNet121 DenseNet169 DenseNet201 EfficientNetB0 EfficientNetB1 EfficientNetB2 "
        "EfficientNetB3 EfficientNetB4 EfficientNetB5 EfficientNetB6 EfficientNetB7",
        f"include_top {_TOP}",
    ),
    (
        "EfficientNetV2B0 EfficientNetV2B1 EfficientNetV2B2 EfficientNetV2B3 EfficientNetV2S EfficientNetV2M "
        "EfficientNetV2L",
        f"include_top {_TOP} include_preprocessing",
    ),
    (
        "ConvNeXtTiny ConvNeXtSmall ConvNeXtBase ConvNeXtLarge ConvNeXtXLarge",
        f"include_top include_preprocessing {_TOP}",
    ),
    (
        "MobileNet",
        "input_shape alpha depth_multiplier dropout include_top weights input_tensor pooling classes "
        "classifier_activation",
    ),
    (
        "MobileNetV2",
        "input_shape alpha include_top weights input_tensor pooling classes classifier_activation",
    ),
    (
        "MobileNetV3Small MobileNetV3Large",
        "input_shape alpha minimalistic include_top weights input_tensor classes pooling dropout_rate "
        "classifier_activation include_preprocessing",
    ),
    (
        "NASNetLarge NASNetMobile",
        "input_shape include_top weights input_tensor pooling classes classifier_activation",
    ),
):
    api(" ".join(f"keras.applications.{_name}" for _name in _names.split()), pretrained, _signature)
