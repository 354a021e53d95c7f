import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers


class Tower(layers.Layer):
    def __init__(self, n, dim, **kw):
        super().__init__(**kw)
        self.emb = layers.Embedding(n, dim)
        self.fc = layers.Dense(dim, activation="relu")
        self.out = layers.Dense(dim)

    def call(self, idx):
        e = self.emb(idx)
        h = self.out(self.fc(e)) + e
        return tf.math.l2_normalize(h, axis=-1)  # SAFE: l2_normalize carries its own epsilon


class TwoTower(keras.Model):
    def __init__(self, n_users, n_items, dim, log_pop, temperature, retrieval_weight):
        super().__init__()
        self.user_tower = Tower(n_users, dim)
        self.item_tower = Tower(n_items, dim)
        self.rating = keras.Sequential([layers.Dense(dim, activation="relu"), layers.Dense(1)])
        self.log_pop = tf.constant(log_pop)
        self.temperature = temperature
        self.retrieval_weight = retrieval_weight
        self.mean_loss = keras.metrics.Mean("loss")

    def call(self, x):
        u = self.user_tower(x["user"])
        v = self.item_tower(x["item"])
        return u, v, tf.squeeze(self.rating(tf.concat([u, v, u * v], -1)), -1)

    def retrieval_loss(self, u, v, items):
        s = tf.matmul(u, v, transpose_b=True) / self.temperature  # SAFE: settings reject a temperature under 0.01
        s -= tf.gather(self.log_pop, items)[None, :]
        dup = tf.equal(items[:, None], items[None, :])
        dup = tf.logical_and(dup, tf.logical_not(tf.eye(tf.shape(items)[0], dtype=tf.bool)))
        s = tf.where(dup, -1e9, s)  # SAFE: finite mask, the diagonal always stays
        labels = tf.range(tf.shape(items)[0])
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, s)

    def uniformity(self, u):
        sq = 2.0 - 2.0 * tf.matmul(u, u, transpose_b=True)
        return tf.math.log(tf.reduce_mean(tf.exp(-2.0 * sq)))  # SAFE: unit vectors, squared distance is in 0..4 and the mean is over exp(-8)

    def train_step(self, data):
        x, y, w = data
        with tf.GradientTape() as tape:
            u, v, logit = self(x, training=True)
            bce = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logit)  # SAFE: stable form, soft labels in 0..1
            rating = tf.reduce_sum(w * bce) / tf.reduce_sum(w)  # MAYBE: weights are exp(-age) and positive unless the log covers a century
            ret = tf.reduce_mean(self.retrieval_loss(u, v, x["item"]))
            loss = rating + self.retrieval_weight * ret + 0.01 * self.uniformity(u)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.mean_loss.update_state(loss)
        return {"loss": self.mean_loss.result()}

    @property
    def metrics(self):
        return [self.mean_loss]
