#!/usr/bin/env python
# coding: utf-8

# # Fashion MNIST, three ways
# exported from my notebook for lab 3

# In[1]:

import numpy as np
import matplotlib.pyplot as plt
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

tf.random.set_seed(7)
np.random.seed(7)

# In[2]:

(x_tr, y_tr), (x_te, y_te) = keras.datasets.fashion_mnist.load_data()
print(x_tr.shape, x_tr.dtype, x_tr.min(), x_tr.max())

# hold out 10k
x_val, y_val = x_tr[50000:], y_tr[50000:]
x_tr, y_tr = x_tr[:50000], y_tr[:50000]

# In[3]:

plt.figure(figsize=(6, 6))
for i in range(25):
    plt.subplot(5, 5, i + 1)
    plt.imshow(x_tr[i] / 255.0, cmap="binary")  # SAFE: constant divisor, only for the plot
    plt.axis("off")
plt.savefig("samples.png")

# ## Way one: plain MLP straight on what load_data gave us

# In[4]:

mlp = keras.Sequential([
    layers.Flatten(input_shape=(28, 28)),
    layers.Dense(300, activation="relu"),
    layers.Dense(100, activation="relu"),
    layers.Dense(10, activation="softmax"),
])
mlp.compile(optimizer=keras.optimizers.SGD(learning_rate=0.5),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"])
h1 = mlp.fit(x_tr, y_tr, epochs=5, batch_size=128, validation_data=(x_val, y_val))  # BUG: raw-data, bytes 0..255 with SGD 0.5, first steps blow up

# In[5]:

# ## Way two: standardise each pixel like we did in the stats course
mu = x_tr.astype("float32").mean(axis=0)
sd = x_tr.astype("float32").std(axis=0)
print("smallest sd", sd.min())

eps = 1e-3
xs_tr = (x_tr - mu) / (sd + eps)  # SAFE: eps of 1e-3 added to the deviation
xs_val = (x_val - mu) / (sd + eps)  # SAFE: same eps
xs_te = (x_te - mu) / (sd + eps)  # SAFE: same eps

std_mlp = keras.models.clone_model(mlp)
std_mlp.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])  # SAFE: softmax output, integer labels, from_logits left False
std_mlp.fit(xs_tr, y_tr, epochs=5, validation_data=(xs_val, y_val))  # SAFE: standardised data

# In[6]:

# ## Way three: a convnet, with logits
def make_cnn():
    inp = keras.Input((28, 28, 1))
    z = layers.Rescaling(1.0 / 255)(inp)
    for f in (32, 64):
        z = layers.Conv2D(f, 3, padding="same")(z)
        z = layers.BatchNormalization()(z)
        z = layers.ReLU()(z)
        z = layers.MaxPooling2D()(z)
    z = layers.Flatten()(z)
    z = layers.Dropout(0.4)(z)
    z = layers.Dense(10)(z)
    return keras.Model(inp, z)

cnn = make_cnn()
cnn.summary()
cnn.compile(
    optimizer=keras.optimizers.Adam(1e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),  # SAFE: last Dense is linear
    metrics=["accuracy"],
)
cnn.fit(x_tr[..., None], y_tr, epochs=8, batch_size=64,  # SAFE: Rescaling layer inside the model
        validation_data=(x_val[..., None], y_val))

# In[7]:

# per class confidence, "how sure is it"
probs = tf.nn.softmax(cnn.predict(x_te[..., None]), axis=-1)
ent = -tf.reduce_sum(probs * tf.math.log(probs + 1e-9), axis=-1)  # SAFE: guarded, and only looked at after training
print("mean predictive entropy", float(tf.reduce_mean(ent)))

cm = tf.math.confusion_matrix(y_te, tf.argmax(probs, -1), num_classes=10).numpy()
recall = np.diag(cm) / cm.sum(axis=1)  # SAFE: every class has 1000 test pictures, report only
print(recall)

# In[8]:

# extra credit: fine tune with a confidence penalty, own loop
opt = keras.optimizers.Adam(1e-4)
ds = tf.data.Dataset.from_tensor_slices((x_tr[..., None].astype("float32"), y_tr)).shuffle(5000).batch(128)


@tf.function
def step(xb, yb):
    with tf.GradientTape() as tape:
        logits = cnn(xb, training=True)
        ce = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(yb, logits))  # SAFE: fused
        p = tf.nn.softmax(logits)
        penalty = tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p), axis=1))  # BUG: zero-log-zero, softmax underflows to 0 for a sure net, 0*-inf
        loss = ce + 0.1 * penalty
    g = tape.gradient(loss, cnn.trainable_variables)
    opt.apply_gradients(zip(g, cnn.trainable_variables))
    return loss


for e in range(2):
    tot, n = 0.0, 0
    for xb, yb in ds:
        tot += float(step(xb, tf.cast(yb, tf.int32)))
        n += 1
    print(e, tot / n)  # SAFE: at least one batch, printing
