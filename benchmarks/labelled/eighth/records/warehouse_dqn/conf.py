GRID = 21                      # cells around the robot, a square crop of the floor map
CHANNELS = 3                   # shelves, robots, own goal (0..255 heat maps from the simulator)
ACTIONS = 6

REPLAY = dict(capacity=120_000, alpha=0.6, beta_start=0.4, beta_steps=400_000, initial_priority=0.0)
AGENT = dict(gamma=0.97, lr=2.5e-4, target_every=2_500, batch=32, clip=10.0)
EXPLORE = dict(start=1.0, end=0.05, steps=100_000)
TOTAL_STEPS = 600_000
LEARN_START = 5_000
