import tensorflow.compat.v1 as tf

import features as F
import losses


def _embed(name, ids, size, dim):
    table = tf.get_variable("emb_" + name, [size, dim],
                            initializer=tf.random_normal_initializer(stddev=1.0 / dim ** 0.5))  # SAFE: dim is 8 or more
    return tf.nn.embedding_lookup(table, ids)


def network(features, params, training):
    parts = [F.transform(features, params["scaler"])]
    for name, size in sorted(F.CATEGORICAL.items()):
        parts.append(_embed(name, features[name], size, max(8, size // 16)))
    x = tf.concat(parts, axis=1)
    for i, units in enumerate(params["hidden"]):
        x = tf.layers.dense(x, units, activation=tf.nn.relu, name="fc%d" % i)
        x = tf.layers.dropout(x, rate=params["dropout"], training=training)
    return tf.layers.dense(x, 3, name="head")


def normalized_gini(labels, preds):
    order = tf.argsort(preds, direction="DESCENDING")
    gain = tf.cumsum(tf.gather(labels, order))
    total = tf.maximum(tf.reduce_sum(labels), 1e-6)
    n = tf.cast(tf.shape(labels)[0], tf.float32)
    lorenz = tf.reduce_sum(gain / total) / n  # SAFE: total is floored and batches are never empty
    return lorenz - (n + 1.0) / (2.0 * n)


def model_fn(features, labels, mode, params):
    training = mode == tf.estimator.ModeKeys.TRAIN
    logits = network(features, params, training)
    ltv = losses.predict_mean(logits)
    if mode == tf.estimator.ModeKeys.PREDICT:
        return tf.estimator.EstimatorSpec(mode, predictions={"ltv": ltv})

    labels = tf.reshape(labels, [-1, 1])
    loss = losses.zero_inflated_lognormal_loss(labels, logits)
    deviance = tf.reduce_mean(losses.gamma_deviance(labels, ltv))
    tf.summary.scalar("gamma_deviance", deviance)
    tf.summary.scalar("gini", normalized_gini(labels[:, 0], ltv[:, 0]))
    if mode == tf.estimator.ModeKeys.EVAL:
        metrics = {
            "mae": tf.metrics.mean_absolute_error(labels, ltv),
            "bias": tf.metrics.mean(tf.reduce_sum(ltv) / (tf.reduce_sum(labels) + 1.0)),  # SAFE: revenue is >= 0 and one is added
        }
        return tf.estimator.EstimatorSpec(mode, loss=loss, eval_metric_ops=metrics)

    step = tf.train.get_or_create_global_step()
    lr = tf.train.exponential_decay(params["lr"], step, params["decay_steps"], 0.96)
    opt = tf.train.AdamOptimizer(lr)
    train_op = opt.minimize(loss, global_step=step)
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
