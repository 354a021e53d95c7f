import tensorflow as tf
from tensorflow.keras import layers

ACT = {
    "linear": lambda x: x,
    "sigmoid": tf.sigmoid,
    "softplus": tf.nn.softplus,
    "exp": lambda x: tf.exp(tf.clip_by_value(x, -8.0, 4.0)),  # SAFE: clipped before the exponential
}


class GridDetector(tf.keras.Model):
    def __init__(self, cfg, width=16):
        super().__init__()
        self.cfg = cfg
        depth = 3
        self.blocks = []
        for i in range(depth):
            self.blocks.append(tf.keras.Sequential([
                layers.Conv2D(width * 2 ** i, 3, padding="same", use_bias=False),
                layers.BatchNormalization(),
                layers.LeakyReLU(negative_slope=0.1),
                layers.MaxPooling2D(),
            ]))
        self.head = layers.Conv2D(cfg.boxes * 5 + cfg.classes, 1)

    def call(self, x, training=False):
        c = self.cfg
        for b in self.blocks:
            x = b(x, training=training)
        y = self.head(x)
        box = tf.reshape(y[..., :c.boxes * 5], [-1, c.grid, c.grid, c.boxes, 5])
        xy = tf.sigmoid(box[..., 0:2])
        wh = ACT[c.box_activation](box[..., 2:4])
        return xy, wh, box[..., 4], y[..., c.boxes * 5:]
