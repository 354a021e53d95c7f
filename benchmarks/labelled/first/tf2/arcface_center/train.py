import argparse
import os
import tensorflow as tf
from tensorflow.keras import layers
from heads import ArcFaceNaive, ArcFaceClipped, ArcFaceEasy, CosFace, AdaCos
from center import CenterLoss, island_loss, spread

HEADS = {"naive": ArcFaceNaive, "arc": ArcFaceClipped, "easy": ArcFaceEasy, "cos": CosFace, "ada": AdaCos}


def get_args():
    p = argparse.ArgumentParser()
    p.add_argument("root")
    p.add_argument("--head", default="arc", choices=HEADS)
    p.add_argument("--lambda-c", type=float, default=0.01)
    p.add_argument("--island", action="store_true")
    p.add_argument("--lr", type=float, default=0.01)
    p.add_argument("--epochs", type=int, default=15)
    return p.parse_args()


def pipeline(root, size=112, batch=64):
    names = sorted(os.listdir(root))
    ds = tf.keras.utils.image_dataset_from_directory(root, image_size=(size, size), batch_size=batch, label_mode="int")
    ds = ds.map(lambda x, y: ((tf.cast(x, tf.float32) - 127.5) / 128.0, y), num_parallel_calls=4)  # SAFE: constant
    return ds.prefetch(2), len(names)


def backbone(dim=512):
    base = tf.keras.applications.ResNet50(include_top=False, weights=None, input_shape=(112, 112, 3))
    x = layers.GlobalAveragePooling2D()(base.output)
    x = layers.Dropout(0.4)(x)
    x = layers.Dense(dim, use_bias=False)(x)
    return tf.keras.Model(base.input, layers.BatchNormalization()(x))


def main():
    a = get_args()
    ds, n = pipeline(a.root)
    net = backbone()
    head = HEADS[a.head](n)
    cl = CenterLoss(n, 512)
    opt = tf.keras.optimizers.SGD(a.lr, momentum=0.9, nesterov=True)  # SAFE: default 0.01

    @tf.function
    def step(x, y):
        y = tf.cast(y, tf.int32)
        with tf.GradientTape() as tape:
            e = net(x, training=True)
            logits = head([e, y])
            ce = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))  # SAFE: fused
            loss = ce + a.lambda_c * cl(e, y)
            if a.island:
                c = tf.math.segment_mean(tf.gather(e, tf.argsort(y)), tf.sort(y))
                loss += 1e-3 * island_loss(c)
            loss += 5e-4 * tf.add_n([tf.nn.l2_loss(v) for v in net.trainable_variables if "kernel" in v.name])
        vs = net.trainable_variables + head.trainable_variables
        g = tape.gradient(loss, vs)
        opt.apply_gradients(zip(g, vs))
        return loss, ce

    for ep in range(a.epochs):
        m1, m2 = tf.keras.metrics.Mean(), tf.keras.metrics.Mean()
        for x, y in ds:
            l, c = step(x, y)
            m1.update_state(l)
            m2.update_state(c)
        s = spread(cl.centers)
        print(ep, m1.result().numpy(), m2.result().numpy(), float(tf.reduce_max(s - tf.linalg.diag(tf.linalg.diag_part(s)))))


if __name__ == "__main__":
    main()
