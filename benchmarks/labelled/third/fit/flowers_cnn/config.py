IMAGE = dict(size=(128, 128), channels=3, rescale=None)
TRAIN = dict(
    optimizer="sgd",
    lr=0.01,
    momentum=0.9,
    epochs=30,
    batch=32,
    label_smoothing=0.1,
)
CLASSES = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
