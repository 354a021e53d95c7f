from tensorflow.keras import backend as K


def contrastive_loss(margin=1.0):
    """Hadsell-et-al.'06, y = 1 for the same writer."""
    def loss(y_true, y_pred):
        square_pred = K.square(y_pred)
        margin_square = K.square(K.maximum(margin - y_pred, 0))
        return K.mean(y_true * square_pred + (1 - y_true) * margin_square)
    return loss


def hinge_pair_loss(margin=1.0):
    """Same idea without the squares, less sensitive to outliers."""
    def loss(y_true, y_pred):
        return K.mean(y_true * y_pred + (1 - y_true) * K.maximum(margin - y_pred, 0))
    return loss


LOSSES = {'contrastive': contrastive_loss, 'hinge': hinge_pair_loss}


def accuracy(threshold=0.5):
    def acc(y_true, y_pred):
        return K.mean(K.equal(y_true, K.cast(y_pred < threshold, y_true.dtype)))
    return acc


def soft_accuracy(y_true, y_pred):
    hit = K.exp(-y_pred)  # SAFE: distances are >= 0, the exponential is at most 1
    return K.mean(y_true * hit + (1 - y_true) * (1 - hit))
