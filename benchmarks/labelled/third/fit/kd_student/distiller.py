import tensorflow as tf
from tensorflow import keras


class Distiller(keras.Model):
    """Student trained from hard labels, softened teacher outputs and feature hints."""

    def __init__(self, student, teacher, hint=None):
        super().__init__()
        self.student = student
        self.teacher = teacher
        self.teacher.trainable = False
        self.hint = hint
        self.tracker = keras.metrics.Mean(name="loss")
        self.kd_tracker = keras.metrics.Mean(name="kd")
        self.acc = keras.metrics.SparseCategoricalAccuracy(name="acc")

    def compile(self, optimizer, temperature=4.0, alpha=0.1, **kw):
        super().compile(optimizer=optimizer, **kw)
        if temperature <= 0:
            raise ValueError("temperature must be positive")
        self.temperature = temperature
        self.alpha = alpha

    @property
    def metrics(self):
        return [self.tracker, self.kd_tracker, self.acc]

    def kd_loss(self, t_logits, s_logits):
        t = tf.nn.softmax(t_logits / self.temperature)  # SAFE: temperature is checked to be positive in compile
        log_s = tf.nn.log_softmax(s_logits / self.temperature)  # SAFE: log_softmax is stable
        log_t = tf.nn.log_softmax(t_logits / self.temperature)  # SAFE: log_softmax is finite, t * log_t has no log of zero
        return tf.reduce_mean(tf.reduce_sum(t * (log_t - log_s), axis=-1)) * self.temperature ** 2

    def hint_loss(self, t_feat, s_feat):
        if self.hint is not None:
            s_feat = self.hint(s_feat)
        a = tf.math.l2_normalize(tf.reshape(t_feat, (tf.shape(t_feat)[0], -1)), axis=1)  # SAFE: l2_normalize has its own epsilon
        b = tf.math.l2_normalize(tf.reshape(s_feat, (tf.shape(s_feat)[0], -1)), axis=1)  # SAFE: l2_normalize has its own epsilon
        return tf.reduce_mean(tf.reduce_sum(tf.square(a - b), axis=1))

    def train_step(self, data):
        x, y = data
        t_feat, t_logits = self.teacher(x, training=False)
        with tf.GradientTape() as tape:
            s_feat, s_logits = self.student(x, training=True)
            ce = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, s_logits, from_logits=True))  # SAFE: student head is linear
            kd = self.kd_loss(t_logits, s_logits)
            loss = self.alpha * ce + (1.0 - self.alpha) * kd + 0.5 * self.hint_loss(t_feat, s_feat)
        variables = self.student.trainable_variables
        if self.hint is not None:
            variables = variables + self.hint.trainable_variables
        self.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        self.tracker.update_state(loss)
        self.kd_tracker.update_state(kd)
        self.acc.update_state(y, s_logits)
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        _, logits = self.student(x, training=False)
        self.acc.update_state(y, logits)
        return {"acc": self.acc.result()}

    def call(self, x, training=False):
        return self.student(x, training=training)[1]
