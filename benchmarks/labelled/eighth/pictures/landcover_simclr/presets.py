PRESETS = {
    "small": dict(width=32, proj=64, batch=128, temperature=0.2, lr=1e-3, epochs=50),
    "paper": dict(width=64, proj=128, batch=256, temperature=0.1, lr=1e-3, epochs=200),
    # sharper contrast for the near-duplicate parcels
    "parcels": dict(width=64, proj=128, batch=256, temperature=0.01, lr=5e-4, epochs=200),
}
DEFAULT = "parcels"
