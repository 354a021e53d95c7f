import numpy as np
import tensorflow as tf

MEAN_PIXEL = np.array([123.68, 116.779, 103.939], np.float32)

LAYERS = (
    "conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1",
    "conv2_1", "relu2_1", "conv2_2", "relu2_2", "pool2",
    "conv3_1", "relu3_1", "conv3_2", "relu3_2",
)


def load_weights(path):
    """npz export of imagenet-vgg-verydeep-19 with NAME_w / NAME_b arrays."""
    d = np.load(path)
    return {k[:-2]: (d[k], d[k[:-2] + "_b"]) for k in d.files if k.endswith("_w")}


def preprocess(image):
    return image - MEAN_PIXEL  # SAFE: VGG weights were trained on mean-free 0..255 pixels, no rescaling is wanted


def net(weights, image):
    current, out = image, {}
    for name in LAYERS:
        if name.startswith("conv"):
            w, b = weights[name]
            current = tf.nn.conv2d(current, tf.constant(w), [1, 1, 1, 1], "SAME") + tf.constant(b)
        elif name.startswith("relu"):
            current = tf.nn.relu(current)
        else:
            current = tf.nn.max_pool(current, [1, 2, 2, 1], [1, 2, 2, 1], "SAME")
        out[name] = current
    return out
