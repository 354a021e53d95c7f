import tensorflow as tf


def build(cfg):
    n = len(cfg["features"])
    inp = tf.keras.Input((n,), name="features")
    x = inp
    for h in cfg["hidden"]:
        x = tf.keras.layers.Dense(h, activation="relu")(x)
        x = tf.keras.layers.Dropout(cfg["dropout"])(x)  # SAFE: rate 0.2, the inverse keep probability is finite
    out = tf.keras.layers.Dense(1, activation=cfg["output_activation"], name="score")(x)
    return tf.keras.Model(inp, out)


def compile_model(model, cfg):
    opt = tf.keras.optimizers.get({"class_name": cfg["optimizer"]["name"],
                                   "config": {"learning_rate": cfg["optimizer"]["learning_rate"]}})
    model.compile(optimizer=opt, loss=cfg["loss"], metrics=[tf.keras.metrics.AUC(name="auc", from_logits=cfg["output_activation"] is None)])  # BUG: loss-pairing, output_activation is None so raw scores go into the string binary_crossentropy; negative scores are clipped to 1e-7 and get no gradient
    return model


class GapRegularizer(tf.keras.regularizers.Regularizer):
    def __init__(self, strength=1e-4):
        self.strength = strength

    def __call__(self, w):
        return self.strength * tf.sqrt(tf.reduce_sum(tf.square(w)) + 1e-12)  # SAFE: 1e-12 under the root in float32, slope at most 1e6 times a zero weight

    def get_config(self):
        return {"strength": self.strength}
