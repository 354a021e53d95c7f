"""Loss terms for depth, segmentation, normals and steering."""
import tensorflow as tf

MIN_DEPTH, MAX_DEPTH = 0.5, 80.0


def valid_mask(depth):
    return tf.cast((depth > MIN_DEPTH) & (depth < MAX_DEPTH), tf.float32)


def masked_mean(x, mask):
    return tf.reduce_sum(x * mask) / tf.maximum(tf.reduce_sum(mask), 1.0)  # SAFE: at least 1, frames without lidar returns give 0


def silog(pred, target, lam=0.85):
    """Scale invariant log error. Targets of 0 mean no measurement."""
    mask = valid_mask(target)
    target = tf.clip_by_value(target, MIN_DEPTH, MAX_DEPTH)
    d = tf.math.log(pred) - tf.math.log(target)  # SAFE: pred is MIN_DEPTH plus a scaled sigmoid (see nets.depth_head), target is clipped to the range
    m = masked_mean(d, mask)
    var = masked_mean(tf.square(d), mask) - lam * tf.square(m)
    return 10.0 * tf.sqrt(tf.maximum(var, 0.0) + 1e-6)  # SAFE: 1e-6 is added after the floor at 0


def normal_loss(pred, target):
    mask = tf.cast(tf.reduce_sum(tf.abs(target), -1) > 0.1, tf.float32)
    a = tf.math.l2_normalize(pred, axis=-1)  # SAFE: epsilon inside l2_normalize
    b = tf.math.l2_normalize(target, axis=-1)  # SAFE: epsilon inside l2_normalize, and zero targets are masked out
    return masked_mean(1.0 - tf.reduce_sum(a * b, -1), mask)


def edge_aware_smoothness(depth, image):
    inv = 1.0 / depth  # SAFE: the depth head never goes below MIN_DEPTH
    inv = inv / tf.reduce_mean(inv, axis=[1, 2, 3], keepdims=True)  # SAFE: mean of numbers between 1/80 and 2
    dx = tf.abs(inv[:, :, 1:] - inv[:, :, :-1])
    dy = tf.abs(inv[:, 1:] - inv[:, :-1])
    ix = tf.reduce_mean(tf.abs(image[:, :, 1:] - image[:, :, :-1]), -1, keepdims=True)
    iy = tf.reduce_mean(tf.abs(image[:, 1:] - image[:, :-1]), -1, keepdims=True)
    return tf.reduce_mean(dx * tf.exp(-ix)) + tf.reduce_mean(dy * tf.exp(-iy))  # SAFE: exponents are not positive


def segmentation_loss(logits, labels, ignore=255):
    mask = tf.cast(labels != ignore, tf.float32)
    safe = tf.where(labels == ignore, tf.zeros_like(labels), labels)
    ce = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=safe, logits=logits)  # SAFE: fused op, ignored labels are replaced by 0
    return masked_mean(ce, mask)


def steering_nll(mean, log_scale, target):
    log_scale = 4.0 * tf.tanh(log_scale / 4.0)
    return tf.reduce_mean(tf.abs(target - mean) * tf.exp(-log_scale) + log_scale)  # SAFE: log_scale is bounded to (-4, 4) by tanh
