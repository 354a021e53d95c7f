from tensorflow import keras
from tensorflow.keras import layers


def conv_bn(x, n, stride=1):
    x = layers.Conv2D(n, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)  # SAFE: he_normal with ReLU and batch norm
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(x)
    return layers.ReLU()(x)


def cifar_net(widths, classes=10, name=None):
    inp = keras.Input((32, 32, 3))
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(inp)  # SAFE: the network scales 0..255 pixels itself
    x = conv_bn(x, widths[0])
    for w in widths:
        x = conv_bn(x, w, stride=2)
        x = conv_bn(x, w)
    feat = x
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(classes, name="logits")(x)
    return keras.Model(inp, [feat, logits], name=name)


def probabilities(net):
    """Serving version: adds the softmax after the logits."""
    return keras.Model(net.input, layers.Softmax()(net.output[1]))
