from tensorflow.keras import Model, layers


def conv_block(x, filters):
    for _ in range(2):
        x = layers.Conv2D(filters, 3, padding='same', kernel_initializer='he_normal', use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation('relu')(x)
    return x


def unet(config):
    size = config['image_size']
    inputs = layers.Input((size, size, 1))
    x, skips = inputs, []
    filters = config['filters']
    for _ in range(config['depth']):
        x = conv_block(x, filters)
        skips.append(x)
        x = layers.MaxPooling2D()(x)
        filters *= 2
    x = conv_block(x, filters)
    for skip in reversed(skips):
        filters //= 2
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding='same')(x)
        x = layers.Concatenate()([x, skip])
        x = conv_block(x, filters)
    outputs = layers.Conv2D(config['n_classes'], 1, activation='softmax')(x)
    return Model(inputs, outputs, name='unet')
