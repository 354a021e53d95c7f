"""Refine camera poses (axis-angle + translation) and 3-D points by gradient descent on the reprojection error."""
import argparse

import numpy as np
import tensorflow as tf


def skew(v):
    z = tf.zeros_like(v[:, 0])
    return tf.reshape(tf.stack([z, -v[:, 2], v[:, 1], v[:, 2], z, -v[:, 0], -v[:, 1], v[:, 0], z], -1), (-1, 3, 3))


def rodrigues(aa):
    """axis-angle [N, 3] to rotation matrices, series expansion near 0"""
    t2 = tf.reduce_sum(tf.square(aa), -1)
    theta = tf.sqrt(t2)  # MAYBE: the gradient of the root at 0 is inf, TensorFlow 2 returns 0 for an incoming gradient of exactly 0, older versions NaN
    small = theta < 1e-4
    a = tf.where(small, 1.0 - t2 / 6.0, tf.sin(theta) / theta)  # BUG: where-grad, the rotations start at 0 and the hidden branch is 0/0 there
    b = tf.where(small, 0.5 - t2 / 24.0, (1.0 - tf.cos(theta)) / t2)  # BUG: where-grad, 0/0 in the hidden branch at theta = 0
    k = skew(aa)
    eye = tf.eye(3, batch_shape=[tf.shape(aa)[0]])
    return eye + a[:, None, None] * k + b[:, None, None] * tf.matmul(k, k)


def rotation_angle(r):
    tr = tf.linalg.trace(r)
    c = tf.clip_by_value(0.5 * (tr - 1.0), -1.0, 1.0)
    return tf.acos(c)  # SAFE: clipped to the domain, evaluation only, no gradient is taken


class Camera:
    def __init__(self, focal, width, height, near=0.05):
        self.f, self.near = focal, near
        self.c = tf.constant([width / 2.0, height / 2.0])  # SAFE: constant divisor

    def project(self, p):
        z = tf.maximum(p[..., 2:], self.near)
        return self.f * p[..., :2] / z + self.c  # SAFE: depth is at least near = 0.05


def robust(r2, c=3.0):
    """Geman-McClure on squared residuals"""
    return r2 / (r2 + c * c)  # SAFE: r2 >= 0 and c is 3


def charbonnier(d, eps=1e-3):
    return tf.sqrt(tf.square(d) + eps * eps)  # SAFE: eps squared is 1e-6, visible next to 0 in float32


class Bundle(tf.Module):
    def __init__(self, aa0, t0, pts0):
        super().__init__()
        self.aa = tf.Variable(aa0, dtype=tf.float32)
        self.t = tf.Variable(t0, dtype=tf.float32)
        self.pts = tf.Variable(pts0, dtype=tf.float32)
        self.log_focal = tf.Variable(0.0)

    def transform(self, cam_idx, pt_idx):
        r = tf.gather(rodrigues(self.aa), cam_idx)
        return tf.einsum("nij,nj->ni", r, tf.gather(self.pts, pt_idx)) + tf.gather(self.t, cam_idx)

    def focal_scale(self):
        return tf.exp(tf.clip_by_value(self.log_focal, -0.5, 0.5))  # SAFE: clipped


def build_losses(bundle, cam, obs):
    ci, pi, uv, conf = obs

    def reprojection():
        p = cam.project(bundle.transform(ci, pi))
        p = (p - cam.c) * bundle.focal_scale() + cam.c
        r2 = tf.reduce_sum(tf.square(p - uv), -1)
        return tf.reduce_sum(conf * robust(r2)) / (tf.reduce_sum(conf) + 1e-6)  # SAFE: confidences are not negative

    def smooth():
        d = bundle.t[1:] - bundle.t[:-1]
        return tf.reduce_mean(charbonnier(d))

    def spread():
        s = tf.math.reduce_std(bundle.pts, axis=0)
        return tf.reduce_mean(tf.math.log(s + 1e-3))  # SAFE: std is not negative, and the points come from a triangulation and never coincide all
    return reprojection, smooth, spread


def read_tracks(path):
    d = np.load(path)
    conf = np.clip(d["score"], 0.0, 1.0).astype(np.float32)
    return d["cam"].astype(np.int32), d["pt"].astype(np.int32), d["uv"].astype(np.float32), conf, d["points"]


def optimise(bundle, losses, iters, lr_pose, lr_pts, w_smooth, w_spread, log_every=100):
    rep, smooth, spread = losses
    o_pose, o_pts = tf.keras.optimizers.Adam(lr_pose), tf.keras.optimizers.Adam(lr_pts)
    pose = [bundle.aa, bundle.t, bundle.log_focal]

    @tf.function
    def step():
        with tf.GradientTape(persistent=True) as tape:
            l_rep = rep()
            loss = l_rep + w_smooth * smooth() - w_spread * spread()
        gp, gx = tape.gradient(loss, pose), tape.gradient(loss, [bundle.pts])
        o_pose.apply_gradients(zip(gp, pose))
        o_pts.apply_gradients(zip(gx, [bundle.pts]))
        return l_rep

    hist = []
    for i in range(iters):
        hist.append(float(step()))
        if i % log_every == 0:
            ang = rotation_angle(rodrigues(bundle.aa))
            print(i, hist[-1], "max rot", float(tf.reduce_max(ang)) * 180.0 / np.pi)  # SAFE: constant divisor
    return hist


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("tracks")
    ap.add_argument("--focal", type=float, default=800.0)
    ap.add_argument("--iters", type=int, default=3000)
    ap.add_argument("--lr-pose", type=float, default=1e-3)
    ap.add_argument("--lr-pts", type=float, default=1e-2)
    a = ap.parse_args()
    ci, pi, uv, conf, pts = read_tracks(a.tracks)
    n = int(ci.max()) + 1
    bundle = Bundle(np.zeros((n, 3)), np.tile([[0.0, 0.0, 2.0]], (n, 1)), pts)
    cam = Camera(a.focal, 1280, 720)
    optimise(bundle, build_losses(bundle, cam, (ci, pi, uv, conf)), a.iters, a.lr_pose, a.lr_pts, 1e-3, 1e-4)
    np.savez("refined.npz", aa=bundle.aa.numpy(), t=bundle.t.numpy(), pts=bundle.pts.numpy())


if __name__ == "__main__":
    main()
