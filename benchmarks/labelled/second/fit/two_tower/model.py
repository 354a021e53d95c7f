import keras
import tensorflow as tf
from keras import ops

from layers import L2Normalise, LogPopularity, MaskedMean


def tower(units, name, eps):
    stack = [keras.layers.Dense(u, activation='relu', kernel_initializer='he_normal') for u in units[:-1]]
    stack.append(keras.layers.Dense(units[-1]))
    stack.append(L2Normalise(eps))
    return keras.Sequential(stack, name=name)


class TwoTower(keras.Model):
    def __init__(self, config, item_counts, **kwargs):
        super().__init__(**kwargs)
        self.temperature = config.temperature
        self.items = keras.layers.Embedding(config.n_items, config.embedding)
        self.pool = MaskedMean()
        self.user_tower = tower(config.tower, 'user', config.norm_eps)
        self.item_tower = tower(config.tower, 'item', config.norm_eps)
        self.log_popularity = LogPopularity(item_counts)
        self.loss_tracker = keras.metrics.Mean(name='loss')

    @property
    def metrics(self):
        return [self.loss_tracker]

    def embed_user(self, history):
        return self.user_tower(self.pool(self.items(history), history))

    def embed_item(self, ids):
        return self.item_tower(self.items(ids))

    def call(self, inputs):
        user = self.embed_user(inputs['history'])
        item = self.embed_item(inputs['item'])
        scores = ops.cast(ops.matmul(user, ops.transpose(item)), 'float32') / self.temperature  # SAFE: temperature is 0.07 in the configuration
        return scores - self.log_popularity(inputs['item'])[None, :]

    def batch_loss(self, inputs):
        scores = self(inputs, training=True)
        same = ops.cast(ops.equal(inputs['item'][:, None], inputs['item'][None, :]), 'float32')
        target = same / ops.sum(same, axis=1, keepdims=True)  # SAFE: each item equals itself, the row sum is at least 1
        log_p = scores - ops.logsumexp(scores, axis=1, keepdims=True)  # SAFE: logsumexp subtracts the maximum
        return -ops.mean(ops.sum(target * log_p, axis=1))

    def train_step(self, inputs):
        with tf.GradientTape() as tape:
            loss = self.batch_loss(inputs)
            scaled = self.optimizer.scale_loss(loss)
        grads = tape.gradient(scaled, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        self.loss_tracker.update_state(loss)
        return {'loss': self.loss_tracker.result()}
