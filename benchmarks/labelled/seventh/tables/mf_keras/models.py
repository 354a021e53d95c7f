import keras
from keras import layers, ops


class ScaledSigmoid(layers.Layer):

    def call(self, x):
        return 1.0 + 4.0 * ops.sigmoid(x)  # SAFE: no logarithm is taken of this sigmoid, the loss is quadratic


def _ids():
    return keras.Input((), dtype="int32", name="user"), keras.Input((), dtype="int32", name="item")


def svd(c):
    user, item = _ids()
    reg = keras.regularizers.l2(c["l2"])
    p = layers.Embedding(c["n_users"], c["dim"], embeddings_initializer=c["factor_init"], embeddings_regularizer=reg, name="p")(user)  # MAYBE: one half of the zero product below
    q = layers.Embedding(c["n_items"], c["dim"], embeddings_initializer=c["factor_init"], embeddings_regularizer=reg, name="q")(item)  # BUG: init, the svd settings say zeros for both factor tables, their product then never gets a gradient
    bu = layers.Embedding(c["n_users"], 1, embeddings_initializer=c["bias_init"], name="bu")(user)  # SAFE: biases may start at zero
    bi = layers.Embedding(c["n_items"], 1, embeddings_initializer=c["bias_init"], name="bi")(item)  # SAFE: biases may start at zero
    dot = layers.Dot(axes=-1)([p, q])
    out = layers.Lambda(lambda t: t[0] + t[1] + t[2] + c["global_mean"], output_shape=(1,))([dot, bu, bi])
    return keras.Model([user, item], out)


def ncf(c):
    user, item = _ids()
    p = layers.Embedding(c["n_users"], c["dim"], embeddings_initializer=c["factor_init"])(user)
    q = layers.Embedding(c["n_items"], c["dim"], embeddings_initializer=c["factor_init"])(item)  # SAFE: the ncf settings draw both tables from he_normal
    gmf = layers.Multiply()([p, q])
    h = layers.Concatenate()([p, q])
    for units in c["hidden"]:
        h = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(h)
        h = layers.BatchNormalization(epsilon=1e-3)(h)  # SAFE: the default epsilon
    out = ScaledSigmoid()(layers.Dense(1, kernel_initializer="zeros")(layers.Concatenate()([gmf, h])))  # SAFE: only the last layer is zero, it gets a gradient from the features
    return keras.Model([user, item], out)


BUILDERS = {"svd": svd, "ncf": ncf}


def compiled(c):
    model = BUILDERS[c["name"]](c)
    loss = keras.losses.MeanSquaredError(reduction=c["loss_reduction"])
    if c["optimizer"] == "sgd":
        opt = keras.optimizers.SGD(c["lr"], momentum=0.9)  # BUG: rate, the svd settings combine a rate of 1.0 and momentum with the sum over 1024 ratings, popular items diverge
    else:
        opt = keras.optimizers.Adam(c["lr"])  # SAFE: 1e-3 on a mean loss
    model.compile(optimizer=opt, loss=loss, metrics=[keras.metrics.RootMeanSquaredError()])  # SAFE: the root is part of a metric
    return model
