import tensorflow as tf
from tensorflow.keras import layers, models, backend as K
def focal_loss(gamma=2., alpha=.25):
    def focal_loss_fixed(y_true, y_pred):
        pt_1 = tf.where(tf.equal(y_true, 1), y_pred, tf.ones_like(y_pred))
        pt_0 = tf.where(tf.equal(y_true, 0), y_pred, tf.zeros_like(y_pred))
        return -K.sum(alpha * K.pow(1. - pt_1, gamma) * K.log(pt_1)) - K.sum((1 - alpha) * K.pow(pt_0, gamma) * K.log(1. - pt_0)) # BUG
    return focal_loss_fixed
def focal_ok(y_true, y_pred):
    y_pred = K.clip(y_pred, K.epsilon(), 1 - K.epsilon())
    return -K.mean(y_true * K.log(y_pred)) # SAFE
def dice(y_true, y_pred, smooth=1.):
    i = K.sum(y_true * y_pred)
    return 1 - (2. * i + smooth) / (K.sum(y_true) + K.sum(y_pred) + smooth) # SAFE
inp = layers.Input((32, 32, 3))
x = layers.Conv2D(8, 3, activation="relu")(inp)
x = layers.Flatten()(x)
out = layers.Dense(1, activation="sigmoid")(x)
model = models.Model(inp, out)
model.compile(optimizer="adam", loss=[focal_loss(alpha=.25, gamma=2)])
m2 = models.Model(inp, out); m2.compile("adam", loss=focal_ok, metrics=[dice])
base = tf.keras.applications.MobileNetV2(include_top=False, weights=None)
m3 = models.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(5)])
m3.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"]) # BUG
m4 = models.Sequential([layers.Dense(3, input_dim=4), layers.Activation("softmax")])
m4.compile("adam", loss=tf.keras.losses.CategoricalCrossentropy(from_logits=True)) # BUG
m5 = models.Sequential([layers.Dense(1, input_dim=4), layers.Activation("sigmoid")])
m5.compile(tf.keras.optimizers.SGD(0.01), loss="mean_squared_error") # BUG
m6 = models.Sequential([layers.Dense(8, activation="relu", input_dim=4), layers.Dense(1)])
m6.compile("rmsprop", loss="mse") # SAFE
