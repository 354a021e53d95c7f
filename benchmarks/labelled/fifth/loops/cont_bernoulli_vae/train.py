import os

import numpy as np
import tensorflow as tf

import config
from distributions import cont_bernoulli_mean
from model import CBVAE


def load(path):
    with np.load(path) as f:
        xtr, xte = f["x_train"], f["x_test"]
    xtr = xtr.reshape(len(xtr), -1).astype("float32") / 255.0
    xte = xte.reshape(len(xte), -1).astype("float32") / 255.0
    return xtr, xte


def beta_at(epoch, args):
    return args.beta * min(1.0, (epoch + 1) / args.warmup_epochs)  # SAFE: the argument parser rejects warmup_epochs < 1


def make_step(model, opt):
    @tf.function
    def step(x, beta):
        with tf.GradientTape() as tape:
            elbo, rec, kl = model.elbo(x, beta)
            loss = -elbo
        grads = tape.gradient(loss, model.trainable_variables)
        grads, gnorm = tf.clip_by_global_norm(grads, 200.0)
        opt.apply_gradients(zip(grads, model.trainable_variables))
        return loss, rec, kl, gnorm
    return step


def evaluate(model, x):
    mu, _ = model.encoder(x)
    rec = cont_bernoulli_mean(model.decoder(mu))
    mse = tf.reduce_mean(tf.square(rec - x))
    psnr = -10.0 * tf.math.log(mse + 1e-10) / tf.math.log(10.0)  # SAFE: 1e-10 is representable in float32 and mse >= 0
    return float(mse), float(psnr)


def main(argv=None):
    args = config.get_args(argv)
    xtr, xte = load(args.data)
    ds = tf.data.Dataset.from_tensor_slices(xtr).shuffle(10000).batch(args.batch_size)
    model = CBVAE(args.hidden)
    opt = tf.keras.optimizers.Adam(args.lr)
    step = make_step(model, opt)
    os.makedirs(args.outdir, exist_ok=True)
    for epoch in range(args.epochs):
        losses = []
        for x in ds:
            loss, rec, kl, gnorm = step(x, tf.constant(beta_at(epoch, args), tf.float32))
            losses.append(float(loss))
        mse, psnr = evaluate(model, xte[:1000])
        print(f"epoch {epoch} loss {np.mean(losses):.3f} mse {mse:.4f} psnr {psnr:.2f}")
    model.save_weights(os.path.join(args.outdir, "cbvae.weights.h5"))


if __name__ == "__main__":
    main()
