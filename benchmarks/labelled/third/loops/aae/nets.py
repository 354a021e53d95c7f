import tensorflow as tf


def dense_stack(n_in, sizes, n_out, name):
    m = tf.keras.Sequential(name=name)
    m.add(tf.keras.layers.Input((n_in,)))
    for s in sizes:
        m.add(tf.keras.layers.Dense(s))
        m.add(tf.keras.layers.LeakyReLU())
    m.add(tf.keras.layers.Dense(n_out))
    return m


def encoder(z_dim):
    m = dense_stack(784, (512, 256), z_dim, "enc")
    m.add(tf.keras.layers.BatchNormalization(scale=False))
    return m


def decoder(z_dim):
    return dense_stack(z_dim, (256, 512), 784, "dec")


def critic(z_dim):
    return dense_stack(z_dim, (256, 256), 1, "disc")
