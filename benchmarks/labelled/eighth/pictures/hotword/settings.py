PROFILES = {
    "dev": {
        "frontend": {"floor": 1e-6, "pcen": False},
        "epochs": 3, "batch": 32, "lr": 1e-3, "width": 24,
    },
    "device": {
        "frontend": {"pcen": True},
        "epochs": 40, "batch": 128, "lr": 1e-3, "width": 48,
    },
    "server": {
        "frontend": {"floor": 0.0, "pcen": False},
        "epochs": 60, "batch": 256, "lr": 2e-3, "width": 96,
    },
}

LABELS = ["_silence_", "_other_", "hello_aura", "stop", "louder", "quieter"]


def profile(name):
    try:
        return PROFILES[name]
    except KeyError:
        raise SystemExit(f"unknown profile {name!r}, choose from {sorted(PROFILES)}")
