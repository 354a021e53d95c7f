"""Settings of the abdominal organ experiments."""

CLASSES = ['background', 'liver', 'spleen', 'left kidney', 'right kidney']

CONFIG = {
    'image_size': 128,
    'n_classes': len(CLASSES),
    'filters': 16,
    'depth': 3,
    'loss': 'gdl_ce',          # ce, dice, tversky, focal, gdl, gdl_ce
    'smooth': 1.0,
    'tversky_beta': 0.7,
    'focal_gamma': 2.0,
    'hu_window': (-160.0, 240.0),
    'batch_size': 8,
    'epochs': 60,
    'lr': 1e-3,
    'lr_end': 1e-5,
}
