IMAGE_SIZE = 96
MAX_AGE = 116
GENDERS = {0: 'male', 1: 'female'}
RACES = {0: 'white', 1: 'black', 2: 'asian', 3: 'indian', 4: 'others'}

HEADS = {
    'age': {'units': 1, 'activation': 'sigmoid', 'loss': 'mse', 'metric': 'mae', 'weight': 4.0},
    'gender': {'units': 1, 'activation': None, 'loss': 'binary_crossentropy', 'metric': 'accuracy', 'weight': 0.5},
    'race': {'units': len(RACES), 'activation': 'softmax', 'loss': 'sparse_categorical_crossentropy',
             'metric': 'accuracy', 'weight': 1.5},
}

TRAIN = {'epochs': 30, 'batch_size': 32, 'lr': 1e-3, 'decay_every': 5}
