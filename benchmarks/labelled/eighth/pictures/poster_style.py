"""Style transfer for the poster shop. Optimises pixels with VGG19 features.

    python poster_style.py content.jpg style.jpg --tv 30 --iters 800
"""
import argparse
import os
from functools import partial

import numpy as np
import tensorflow as tf

STYLE_LAYERS = {
    "block1_conv1": 1.0,
    "block2_conv1": 0.8,
    "block3_conv1": 0.5,
    "block4_conv1": 0.3,
    "block5_conv1": 0.1,
}
CONTENT_LAYER = "block4_conv2"


def read(path, longest):
    raw = tf.io.decode_image(tf.io.read_file(path), channels=3, dtype=tf.float32, expand_animations=False)
    hw = tf.cast(tf.shape(raw)[:2], tf.float32)
    k = longest / tf.reduce_max(hw)  # SAFE: a decoded image has at least one pixel
    raw = tf.image.resize(raw, tf.cast(hw * k, tf.int32))  # SAFE: truncation of a pixel size, positive
    return tf.clip_by_value(raw, 0.0, 1.0)[None]


def extractor(names):
    vgg = tf.keras.applications.VGG19(include_top=False, weights="imagenet")
    vgg.trainable = False
    return tf.keras.Model(vgg.input, [vgg.get_layer(n).output for n in names])


def gram(f):
    g = tf.einsum("bijc,bijd->bcd", f, f)
    n = tf.cast(tf.shape(f)[1] * tf.shape(f)[2], f.dtype)
    return g / n  # SAFE: number of positions of a feature map is at least 1


def tv_isotropic(img):
    dx = img[:, :-1, 1:] - img[:, :-1, :-1]
    dy = img[:, 1:, :-1] - img[:, :-1, :-1]
    return tf.reduce_mean(tf.sqrt(dx * dx + dy * dy))  # BUG: sqrt-grad, flat (white or saturated) areas of the start image give sqrt(0)


def tv_smooth(img, eps=1e-4):
    dx = img[:, :-1, 1:] - img[:, :-1, :-1]
    dy = img[:, 1:, :-1] - img[:, :-1, :-1]
    return tf.reduce_mean(tf.sqrt(dx * dx + dy * dy + eps * eps))  # SAFE: 1e-8 under the root, float32 and bounded pixels


def luminance_stats(img):
    y = tf.reduce_sum(img * [0.299, 0.587, 0.114], -1)
    return tf.reduce_mean(y), tf.math.reduce_std(y)


def match_luminance(style, content):
    """Gatys et al. colour preserving variant, done once before optimisation."""
    ms, ss = luminance_stats(style)
    mc, sc = luminance_stats(content)
    out = (style - ms) * (sc / tf.maximum(ss, 1e-3)) + mc  # SAFE: std floored, constants without gradient
    return tf.clip_by_value(out, 0.0, 1.0)


class Objective:
    def __init__(self, net, content, style, weights, tv_fn):
        self.net, self.w, self.tv_fn = net, weights, tv_fn
        prep = self._prep
        *s, _ = net(prep(style))
        *_, c = net(prep(content))
        self.target_grams = [gram(f) for f in s]
        self.target_content = c
        energy = [float(tf.reduce_sum(tf.square(g))) for g in self.target_grams]
        self.layer_scale = [w / (4.0 * max(e, 1.0)) for w, e in zip(STYLE_LAYERS.values(), energy)]  # SAFE: energies floored at one

    @staticmethod
    def _prep(img01):
        return tf.keras.applications.vgg19.preprocess_input(img01 * 255.0)  # SAFE: the vgg helper expects 0..255 RGB

    def __call__(self, img):
        *s, c = self.net(self._prep(img))
        style = tf.add_n([k * tf.reduce_sum(tf.square(gram(f) - g))
                          for k, f, g in zip(self.layer_scale, s, self.target_grams)])
        content = tf.reduce_mean(tf.square(c - self.target_content))
        tv = self.tv_fn(img)
        return self.w["style"] * style + self.w["content"] * content + self.w["tv"] * tv, (style, content, tv)


TV = {"isotropic": tv_isotropic, "smooth": partial(tv_smooth, eps=1e-4)}


def stylise(args):
    content = read(args.content, args.longest)
    style = read(args.style, args.longest)
    if args.keep_colors:
        style = match_luminance(style, content)
    net = extractor(list(STYLE_LAYERS) + [CONTENT_LAYER])
    obj = Objective(net, content, style,
                    {"style": args.style_weight, "content": args.content_weight, "tv": args.tv},
                    TV[args.tv_kind])
    canvas = tf.Variable(content)
    opt = tf.keras.optimizers.Adam(args.lr, beta_1=0.99, epsilon=1e-1)  # SAFE: large Adam epsilon is deliberate for pixel updates

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss, parts = obj(canvas)
        g = tape.gradient(loss, canvas)
        opt.apply_gradients([(g, canvas)])
        canvas.assign(tf.clip_by_value(canvas, 0.0, 1.0))
        return loss, parts, tf.norm(g)  # SAFE: norm only reported, not differentiated

    for i in range(args.iters):
        loss, (s, c, t), gn = step()
        if i % 50 == 0:
            ratio = float(s) / (float(c) + 1e-8)  # SAFE: offset in python floats, only printed
            print(f"{i:5d} loss {loss:.4g} style {s:.4g} content {c:.4g} tv {t:.4g} |g| {gn:.3g} s/c {ratio:.3g}")
    return canvas[0].numpy()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("content")
    ap.add_argument("style")
    ap.add_argument("--longest", type=float, default=640)
    ap.add_argument("--iters", type=int, default=800)
    ap.add_argument("--lr", type=float, default=0.02)
    ap.add_argument("--style-weight", type=float, default=1e3)
    ap.add_argument("--content-weight", type=float, default=1e-2)
    ap.add_argument("--tv", type=float, default=30.0)
    ap.add_argument("--tv-kind", choices=sorted(TV), default="isotropic")
    ap.add_argument("--keep-colors", action="store_true")
    ap.add_argument("--out", default="poster.png")
    args = ap.parse_args()
    img = stylise(args)
    png = tf.io.encode_png(tf.cast(np.round(img * 255.0), tf.uint8))  # SAFE: canvas is clipped to 0..1 before the cast
    tf.io.write_file(args.out, png)
    print("saved", os.path.abspath(args.out))


if __name__ == "__main__":
    main()
