class HParams:
    n_mels = 64
    frames = 200
    channels = (64, 128, 128, 256)
    embed = 192
    margin = 0.2
    scale = 30.0
    batch = 128
    epochs = 20
    momentum = 0.9
    base_lr = 0.1
    lr_floor = 1e-5
    weight_decay = 2e-5
    label_file = "spk2id.json"


hp = HParams()
