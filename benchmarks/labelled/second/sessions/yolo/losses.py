import tensorflow as tf

import config as cfg


def to_corners(b):
    return tf.stack([b[..., 0] - b[..., 2] / 2.0, b[..., 1] - b[..., 3] / 2.0,
                     b[..., 0] + b[..., 2] / 2.0, b[..., 1] + b[..., 3] / 2.0], axis=-1)


def calc_iou(boxes1, boxes2):
    b1, b2 = to_corners(boxes1), to_corners(boxes2)
    lu = tf.maximum(b1[..., :2], b2[..., :2])
    rd = tf.minimum(b1[..., 2:], b2[..., 2:])
    inter = tf.maximum(0.0, rd - lu)
    inter_area = inter[..., 0] * inter[..., 1]
    area1 = boxes1[..., 2] * boxes1[..., 3]
    area2 = boxes2[..., 2] * boxes2[..., 3]
    union = tf.maximum(area1 + area2 - inter_area, 1e-10)
    return tf.clip_by_value(inter_area / union, 0.0, 1.0)  # SAFE: union is floored at 1e-10 and the result is clipped


def loss_layer(net, labels):
    predict_classes, predict_scales, predict_boxes = net.split()
    response = labels[..., 0:1]
    boxes = tf.tile(tf.expand_dims(labels[..., 1:5], 3), [1, 1, 1, net.boxes, 1]) / net.image_size  # SAFE: image size is a positive constant of the config
    classes = labels[..., 5:]
    off = tf.expand_dims(tf.constant(net.offset), 0)
    off_t = tf.transpose(off, (0, 2, 1, 3))

    px = (predict_boxes[..., 0] + off) / net.cell
    py = (predict_boxes[..., 1] + off_t) / net.cell
    pwh = predict_boxes[..., 2:4]
    predict_tran = tf.concat([tf.stack([px, py], -1), pwh], -1)

    iou = tf.stop_gradient(calc_iou(predict_tran, boxes))
    best = tf.reduce_max(iou, 3, keepdims=True)
    object_mask = tf.cast(iou >= best, tf.float32) * response
    noobject_mask = 1.0 - object_mask

    class_delta = response * (predict_classes - classes)
    class_loss = tf.reduce_mean(tf.reduce_sum(tf.square(class_delta), [1, 2, 3])) * cfg.CLASS_SCALE
    object_loss = tf.reduce_mean(tf.reduce_sum(
        tf.square(object_mask * (predict_scales - iou)), [1, 2, 3])) * cfg.OBJECT_SCALE
    noobject_loss = tf.reduce_mean(tf.reduce_sum(
        tf.square(noobject_mask * predict_scales), [1, 2, 3])) * cfg.NOOBJECT_SCALE

    target_wh = tf.sqrt(boxes[..., 2:4])  # SAFE: label sizes are x2 - x1 >= 0 after clamping and labels get no gradient
    target_xy = tf.stack([boxes[..., 0] * net.cell - off, boxes[..., 1] * net.cell - off_t], -1)
    delta_xy = predict_boxes[..., 0:2] - target_xy
    delta_wh = tf.sqrt(pwh) - target_wh  # BUG: domain, the last dense layer is linear so predicted sizes are negative for half of the cells
    coord_mask = tf.expand_dims(object_mask, 4)
    delta = coord_mask * tf.concat([delta_xy, delta_wh], -1)
    coord_loss = tf.reduce_mean(tf.reduce_sum(tf.square(delta), [1, 2, 3, 4])) * cfg.COORD_SCALE

    n_obj = tf.maximum(tf.reduce_sum(object_mask), 1.0)
    mean_iou = tf.reduce_sum(iou * object_mask) / n_obj  # SAFE: object count is floored at 1
    for name, v in (("class", class_loss), ("object", object_loss), ("noobject", noobject_loss),
                    ("coord", coord_loss), ("iou", mean_iou)):
        tf.summary.scalar(name, v)
    return class_loss + object_loss + noobject_loss + coord_loss
