import tensorflow as tf
from tensorflow import keras
class Net(keras.Model):
    def __init__(self, classes):
        super(Net, self).__init__()
        self.d1 = keras.layers.Dense(64, activation='relu') # BUG
        self.d2 = keras.layers.Dense(classes, activation='softmax')
    def call(self, x):
        return self.d2(self.d1(x))
model = Net(10)
loss_object = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
optimizer = tf.keras.optimizers.Adam(learning_rate=0.5) # BUG
@tf.function
def train_step(images, labels):
    with tf.GradientTape() as tape:
        predictions = model(images, training=True)
        loss = loss_object(labels, predictions) # BUG
        ent = -tf.reduce_sum(predictions * tf.math.log(predictions), axis=-1) # BUG
        loss += tf.reduce_mean(ent)
    gradients = tape.gradient(loss, model.trainable_variables)
    optimizer.apply_gradients(zip(gradients, model.trainable_variables))
(x, y), _ = keras.datasets.cifar10.load_data()
ds = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(100).batch(32)
for epoch in range(5):
    for images, labels in ds:
        train_step(images, labels)
