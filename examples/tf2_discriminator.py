"""The loss of a discriminator, with the guard that many people write."""

import tensorflow as tf

EPS = 1e-10


class Discriminator(tf.Module):
    def __init__(self, width=64):
        super().__init__()
        self.w1 = tf.Variable(tf.random.normal([28 * 28, width], stddev=0.05))
        self.w2 = tf.Variable(tf.random.normal([width, 1], stddev=0.1))

    def __call__(self, images):
        hidden = tf.nn.leaky_relu(tf.matmul(images, self.w1))
        return tf.sigmoid(tf.matmul(hidden, self.w2))


def discriminator_loss(real, fake):
    return -tf.reduce_mean(tf.math.log(real + EPS) + tf.math.log(EPS + 1.0 - fake))


tf.random.set_seed(1)
discriminator = Discriminator()
optimizer = tf.keras.optimizers.Adam(2e-4, beta_1=0.5)


def train_step(images, generated):
    with tf.GradientTape() as tape:
        loss = discriminator_loss(discriminator(images), discriminator(generated))
    gradients = tape.gradient(loss, discriminator.trainable_variables)
    optimizer.apply_gradients(zip(gradients, discriminator.trainable_variables))
    return loss


if __name__ == "__main__":
    images = tf.random.uniform([16, 28 * 28])
    generated = tf.random.uniform([16, 28 * 28], maxval=0.5)
    for step in range(20):
        print(step, float(train_step(images, generated)))
