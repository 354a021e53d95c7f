"""What a gradient is taken of: the graph's answer for the one square root of each program, and TensorFlow's.

A program that can be run is run: gradients of what is differentiated by each root that it computes are asked
of TensorFlow itself, beside those that the program asks for.
"""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

import pytest
import tensorflow as tf

from tflint_nan.build import build
from tflint_nan.graph import Graph
from tflint_nan.source import Source
from tflint_nan.value import Op

#: The module that programs import: `tf.compat.v1` is a wrapper around it.
tf1 = importlib.import_module("tensorflow.compat.v1")
EAGER = """
import tensorflow as tf
import keras
w = tf.Variable([2.0, 3.0])
v = tf.Variable([1.0, 4.0])
opt = keras.optimizers.SGD(0.01)
"""
GRAPH = """
import tensorflow.compat.v1 as tf
w = tf.Variable([2.0, 3.0])
opt = tf.train.GradientDescentOptimizer(0.01)
"""
KERAS = """
import tensorflow as tf
import keras
import numpy as np
x, y = np.ones((4, 3), "float32"), np.ones((4, 1), "float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, activation="sigmoid")])
"""
TAPE = """
with tf.GradientTape() as tape:
    {}
opt.apply_gradients(zip(tape.gradient(loss, [w]), [w]))
"""


def taped(*lines: str) -> str:
    return EAGER + TAPE.format("\n    ".join(lines))


#: A gradient goes through the root.
DIFFERENTIATED = {
    "tape": taped("loss = tf.reduce_sum(tf.sqrt(w))"),
    "a list of losses": taped("loss = [tf.reduce_sum(w), tf.reduce_sum(tf.sqrt(w))]"),
    "a dict of losses": taped("loss = {'a': tf.reduce_sum(w), 'b': tf.reduce_sum(tf.sqrt(w))}"),
    "sum of a list": taped(
        "losses = [tf.reduce_sum(w)]", "losses.append(tf.sqrt(w[0]))", "loss = sum(losses)"
    ),
    "sum of a list that grows in a loop": taped(
        "losses = []",
        "for i in range(int(tf.size(w))):",
        "    losses.append(tf.sqrt(w[i]))",
        "loss = sum(losses)",
    ),
    "add_n": taped("loss = tf.add_n([tf.sqrt(w[0]), w[1]])"),
    "add_n of a list that grows in a loop": taped(
        "losses = []",
        "for i in range(int(tf.size(w))):",
        "    losses.append(tf.sqrt(w[i]))",
        "loss = tf.add_n(losses)",
    ),
    "in a branch": taped("loss = w[0]", "if w[0] > 1.0:", "    loss += tf.sqrt(w[1])"),
    "one of two variables": taped("loss = tf.reduce_sum(tf.sqrt(w)) + tf.reduce_sum(v)"),
    "minimize": EAGER.replace(
        "keras.optimizers.SGD(0.01)", "tf.compat.v1.train.GradientDescentOptimizer(0.01)"
    )
    + "opt.minimize(lambda: tf.reduce_sum(tf.sqrt(w)), var_list=[w])",
    "loss of a closure": EAGER
    + """
def step():
    def loss_of(scale):
        return tf.reduce_sum(scale * tf.sqrt(w))
    with tf.GradientTape() as tape:
        loss = loss_of(3.0)
    return tape.gradient(loss, w)
step()
""",
    "a method and tf.function": EAGER
    + """
class Trainer:
    def __init__(self):
        self.w = w
    def loss(self):
        return tf.reduce_sum(tf.sqrt(self.w))
    @tf.function
    def step(self):
        with tf.GradientTape() as tape:
            loss = self.loss()
        grads = tape.gradient(loss, [self.w])
        opt.apply_gradients(zip(grads, [self.w]))
        return loss
trainer = Trainer()
trainer.step()
""",
    "a tape that is passed on": EAGER
    + """
def forward(tape):
    with tape:
        return tf.reduce_sum(tf.sqrt(w))
tape = tf.GradientTape()
loss = forward(tape)
tape.gradient(loss, w)
""",
    "strategy.run": EAGER
    + """
strategy = tf.distribute.get_strategy()
def step(scale):
    with tf.GradientTape() as tape:
        loss = scale * tf.reduce_sum(tf.sqrt(w))
    opt.apply_gradients(zip(tape.gradient(loss, [w]), [w]))
    return loss
strategy.reduce(tf.distribute.ReduceOp.SUM, strategy.run(step, args=(2.0,)), axis=None)
""",
    "a gradient that is penalised": EAGER
    + """
with tf.GradientTape() as outer:
    with tf.GradientTape() as tape:
        out = tf.reduce_sum(w ** 3)
    slope = tape.gradient(out, w)
    loss = tf.square(tf.sqrt(tf.reduce_sum(tf.square(slope))) - 1.0)
outer.gradient(loss, w)
""",
    "gradient of a watched input": EAGER
    + """
x = tf.constant([1.0, 2.0])
with tf.GradientTape() as tape:
    tape.watch(x)
    loss = tf.reduce_sum(tf.sqrt(x))
tape.gradient(loss, x)
""",
    "through where, max and cast": taped(
        "r = tf.cast(tf.sqrt(w), tf.float64)",
        "loss = tf.reduce_max(tf.where(r > 0.0, r, tf.zeros_like(r)))",
    ),
    "through a conditional": taped("loss = tf.cond(w[0] > 1.0, lambda: tf.sqrt(w[0]), lambda: w[0])"),
    "a loop's body": taped(
        "_, loss = tf.while_loop(lambda i, s: i < 3, lambda i, s: (i + 1, s + tf.sqrt(w[0])), (0, 0.0))"
    ),
    "a body of map_fn": taped("loss = tf.reduce_sum(tf.map_fn(lambda one: tf.sqrt(one), w))"),
    "a body of scan": taped("loss = tf.reduce_sum(tf.scan(lambda a, one: a + tf.sqrt(one), w))"),
    "a body of foldl": taped("loss = tf.foldl(lambda a, one: a + tf.sqrt(one), w)"),
    "recompute_grad": taped("loss = tf.reduce_sum(tf.recompute_grad(lambda u: tf.sqrt(u))(w))"),
    "a TensorArray": taped(
        "ta = tf.TensorArray(tf.float32, 2)",
        "ta = ta.write(0, tf.sqrt(w[0]))",
        "ta = ta.write(1, w[1])",
        "loss = tf.reduce_sum(ta.stack())",
    ),
    "compile with an own function": KERAS
    + """
def rmse(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred)))
model.compile("sgd", loss=rmse, run_eagerly=True)
model.fit(x, y, verbose=0)
""",
    "compile with an own class": KERAS
    + """
class Rmse(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred), axis=-1))
model.compile("sgd", loss=Rmse(), run_eagerly=True)
model.fit(x, y, verbose=0)
""",
    "a layer of the model": KERAS
    + """
class Root(keras.layers.Layer):
    def call(self, inputs):
        return tf.sqrt(inputs)
model.add(Root())
model.compile("sgd", loss="mse", run_eagerly=True)
model.fit(x, 3.0 * y, verbose=0)
""",
    "add_loss": KERAS
    + """
class Penalty(keras.layers.Layer):
    def call(self, inputs):
        self.add_loss(tf.reduce_mean(tf.sqrt(inputs)))
        return inputs
model.add(Penalty())
model.compile("sgd", loss="mse", run_eagerly=True)
model.fit(x, y, verbose=0)
""",
    "train_step": KERAS
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, activation="sigmoid")
    def call(self, inputs):
        return self.dense(inputs)
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            p = self(x, training=True)
            loss = tf.reduce_mean(tf.sqrt(tf.square(y - p)))
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return {"loss": loss}
net = Net()
net.compile("sgd", run_eagerly=True)
net.fit(x, y, verbose=0)
""",
    "train_step with compute_loss": KERAS
    + """
class Net(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, activation="sigmoid")
    def call(self, inputs):
        return tf.sqrt(self.dense(inputs))
    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            p = self(x, training=True)
            loss = self.compute_loss(x=x, y=y, y_pred=p)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables))
        return {"loss": loss}
net = Net()
net.compile("sgd", loss="mse", run_eagerly=True)
net.fit(x, 3 * y, verbose=0)
""",
    "graph, minimize": GRAPH + "opt.minimize(tf.reduce_sum(tf.sqrt(w)))",
    "graph, some variables": GRAPH
    + "u = tf.Variable(1.0)\nopt.minimize(u + tf.reduce_sum(tf.sqrt(w)), var_list=[w])",
    "graph, compute and apply": GRAPH
    + """
pairs = opt.compute_gradients(tf.reduce_sum(tf.sqrt(w)))
opt.apply_gradients([(tf.clip_by_norm(g, 1.0), v) for g, v in pairs])
""",
    "graph, tf.gradients": GRAPH
    + """
grads = tf.gradients(tf.reduce_sum(tf.sqrt(w)), [w])
opt.apply_gradients(zip(grads, [w]))
""",
    "graph, gradient penalty": GRAPH
    + """
x = tf.placeholder(tf.float32, [None, 2])
out = tf.reduce_sum((x * w) ** 2)
slopes = tf.gradients(out, [x])[0]
norm = tf.sqrt(tf.reduce_sum(tf.square(slopes), axis=1))
opt.minimize(tf.reduce_mean((norm - 1.0) ** 2))
""",
    "graph, collected": GRAPH
    + """
tf.add_to_collection("losses", tf.reduce_sum(tf.sqrt(w)))
loss = tf.add_n(tf.get_collection("losses"), name="total")
opt.minimize(loss)
""",
    "graph, collected in a function": GRAPH
    + """
def decay(u):
    loss = tf.reduce_sum(tf.sqrt(u))
    tf.add_to_collection(tf.GraphKeys.LOSSES, loss)
decay(w)
opt.minimize(tf.losses.get_total_loss())
""",
    "graph, add_loss": GRAPH
    + "tf.losses.add_loss(tf.reduce_sum(tf.sqrt(w)))\nopt.minimize(tf.losses.get_total_loss())",
    "graph, losses collect themselves": GRAPH
    + """
p = tf.sqrt(w)
tf.losses.mean_squared_error([0.0, 0.0], p)
opt.minimize(tf.losses.get_total_loss())
""",
    "graph, estimator": GRAPH
    + """
def model_fn(features, labels, mode):
    loss = tf.reduce_sum(tf.sqrt(w * features))
    train_op = opt.minimize(loss, global_step=tf.train.get_or_create_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
""",
}
#: No gradient goes through it, although the program trains something.
NOT_DIFFERENTIATED = {
    "a number to look at": taped("loss = tf.reduce_sum(w)", "tf.print(tf.sqrt(w))"),
    "printed by Python": taped("loss = tf.reduce_sum(w)") + "print('root', tf.sqrt(w))",
    "stop_gradient": taped("loss = tf.reduce_sum(w * tf.stop_gradient(tf.sqrt(w)))"),
    "of a stopped gradient": taped("loss = tf.reduce_sum(w + tf.sqrt(tf.stop_gradient(w)))"),
    "numpy": taped("loss = tf.reduce_sum(w * tf.sqrt(w).numpy())"),
    "argmax": taped("loss = w[tf.argmax(tf.sqrt(w))]"),
    "a comparison": taped("loss = tf.reduce_sum(tf.where(tf.sqrt(w) > 1.5, w, v))"),
    "cast to a mask": taped("loss = tf.reduce_sum(w * tf.cast(tf.sqrt(w) > 1.5, tf.float32))"),
    "cast to integers": taped("loss = tf.reduce_sum(w * tf.cast(tf.cast(tf.sqrt(w), tf.int32), tf.float32))"),
    "round": taped("loss = tf.reduce_sum(w + tf.round(tf.sqrt(w)))"),
    "floor": taped("loss = tf.reduce_sum(w + tf.floor(tf.sqrt(w)))"),
    "sign": taped("loss = tf.reduce_sum(w + tf.sign(tf.sqrt(w)))"),
    "shape": taped("loss = tf.reduce_sum(w) * tf.cast(tf.shape(tf.sqrt(w))[0], tf.float32)"),
    "data alone": taped("loss = tf.reduce_sum(w * tf.sqrt(tf.constant([1.0, 2.0])))"),
    "an assertion": taped("tf.debugging.assert_positive(tf.sqrt(w))", "loss = tf.reduce_sum(w)"),
    "an initial value": EAGER.replace("[1.0, 4.0]", "tf.sqrt(w)")
    + TAPE.format("loss = tf.reduce_sum(w * v)"),
    "a rate": taped("loss = tf.reduce_sum(w)") + "tf.compat.v1.train.GradientDescentOptimizer(tf.sqrt(w)[0])",
    "a moving average": taped("loss = tf.reduce_sum(w)") + "v.assign(0.9 * v + 0.1 * tf.sqrt(w))",
    "a metric object": taped("loss = tf.reduce_sum(w)") + "keras.metrics.Mean().update_state(tf.sqrt(w))",
    "the norm of the gradient": EAGER
    + """
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(w ** 2)
grads = tape.gradient(loss, [w])
norm = tf.sqrt(tf.reduce_sum(tf.square(grads[0])))
grads = [g / norm for g in grads]
opt.apply_gradients(zip(grads, [w]))
""",
    "after training": taped("loss = tf.reduce_sum(w)")
    + """
def evaluate(u):
    score = tf.reduce_mean(tf.sqrt(u))
    print(score.numpy())
evaluate(w)
""",
    "an evaluation that nothing calls": taped("loss = tf.reduce_sum(w)")
    + """
def evaluate(u):
    score = tf.reduce_mean(tf.sqrt(u))
    print(score.numpy())
""",
    "an own gradient": EAGER
    + """
@tf.custom_gradient
def root(u):
    def grad(upstream):
        return upstream
    return tf.sqrt(u), grad
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(root(w))
tape.gradient(loss, w)
""",
    "not recorded": EAGER
    + """
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(w)
    with tape.stop_recording():
        scale = tf.reduce_mean(tf.sqrt(w))
    loss = loss * scale
tape.gradient(loss, w)
""",
    "a metric function": KERAS
    + """
def deviation(y_true, y_pred):
    return tf.sqrt(tf.reduce_mean(tf.square(y_true - y_pred)))
model.compile("sgd", loss="mse", metrics=[deviation], run_eagerly=True)
model.fit(x, y, verbose=0)
""",
    "an own optimizer": EAGER
    + """
class Scaled(keras.optimizers.Optimizer):
    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, learning_rate * gradient / (tf.sqrt(tf.square(gradient)) + 1e-8))
with tf.GradientTape() as tape:
    loss = tf.reduce_sum(w ** 2)
Scaled(0.1).apply_gradients(zip(tape.gradient(loss, [w]), [w]))
""",
    "graph, fetched": GRAPH
    + """
opt.minimize(tf.reduce_sum(w))
accuracy = tf.reduce_mean(tf.sqrt(w))
with tf.Session() as sess:
    sess.run(tf.global_variables_initializer())
    print(sess.run(accuracy))
""",
    "graph, summary": GRAPH
    + "opt.minimize(tf.reduce_sum(w))\ntf.summary.scalar('r', tf.reduce_sum(tf.sqrt(w)))",
    "graph, tf.metrics": GRAPH + "opt.minimize(tf.reduce_sum(w))\ntf.metrics.mean(tf.sqrt(w))",
    "graph, tf.Print": GRAPH + "loss = tf.Print(tf.reduce_sum(w), [tf.sqrt(w)])\nopt.minimize(loss)",
    "graph, assertion": GRAPH
    + """
with tf.control_dependencies([tf.assert_positive(tf.sqrt(w))]):
    loss = tf.reduce_sum(w)
opt.minimize(loss)
""",
    "graph, another collection": GRAPH
    + """
tf.add_to_collection("seen", tf.reduce_sum(tf.sqrt(w)))
tf.add_to_collection("losses", tf.reduce_sum(w))
opt.minimize(tf.add_n(tf.get_collection("losses")))
""",
    "graph, not collected": GRAPH
    + """
tf.losses.mean_squared_error([0.0, 0.0], tf.sqrt(w), loss_collection=None)
tf.losses.mean_squared_error([0.0, 0.0], w)
opt.minimize(tf.losses.get_total_loss())
""",
    "graph, estimator's metrics": GRAPH
    + """
def model_fn(features, labels, mode):
    loss = tf.reduce_sum(w * features)
    metrics = {"root": tf.metrics.mean(tf.sqrt(w))}
    train_op = opt.minimize(loss, global_step=tf.train.get_or_create_global_step())
    return tf.estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, eval_metric_ops=metrics)
""",
}
#: What happens to the root is decided where nobody sees it.
UNKNOWN = {
    "nothing is trained here": EAGER + "loss = tf.reduce_sum(tf.sqrt(w))",
    "returned to who calls": taped("loss = tf.reduce_sum(w)") + "def score():\n    return tf.sqrt(w)",
    "kept for who uses the class": taped("loss = tf.reduce_sum(w)")
    + "class Score:\n    def __init__(self):\n        self.root = tf.sqrt(w)",
    "handed to an unknown function": "from lib import watch\n"
    + taped("loss = tf.reduce_sum(w)")
    + "watch(tf.sqrt(w))",
    "through an unknown function": "from lib import scaled\n" + taped("loss = scaled(tf.sqrt(w))"),
    "through py_function": taped("loss = tf.py_function(lambda u: u, [tf.sqrt(w)], tf.float32)"),
    "of a parameter": EAGER
    + """
def step(model, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.sqrt(model(x)))
    return tape.gradient(loss, model.trainable_variables)
""",
    "the loss is not known": "from lib import losses\n"
    + EAGER
    + """
with tf.GradientTape() as tape:
    loss = losses[0]
    root = tf.sqrt(w)
    losses.total += root
tape.gradient(loss, w)
""",
}
#: As `DIFFERENTIATED`, of libraries that are gone.
OLD = {
    name: f"import tensorflow as tf\nfrom tensorflow.contrib import slim\nw = tf.Variable(2.0)\n{text}"
    for name, text in {
        "slim": "slim.learning.create_train_op(tf.sqrt(w), tf.train.AdamOptimizer())",
        "contrib.training": "tf.contrib.training.create_train_op(tf.sqrt(w), tf.train.AdamOptimizer())",
        "contrib.layers": "tf.contrib.layers.optimize_loss(tf.sqrt(w), None, 0.1, 'Adam')",
        "slim collects": (
            "slim.losses.log_loss(tf.sqrt(w), 1.0)\n"
            "slim.learning.create_train_op(slim.losses.get_total_loss(), tf.train.AdamOptimizer())"
        ),
        "keras": ("from keras import optimizers\noptimizers.Adam().get_updates(loss=tf.sqrt(w), params=[w])"),
        "keras, gradients": (
            "from keras import optimizers\noptimizers.Adam().get_gradients(tf.sqrt(w), [w])"
        ),
    }.items()
}


def read(text: str) -> Graph:
    return build(Source("program.py", textwrap.dedent(text)), {})


def roots(graph: Graph) -> list[Op]:
    found = list(graph.ops("sqrt"))
    assert found
    return found


class Recorder:
    """TensorFlow with its square root and its gradients watched."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.slopes: list[Any] = []

    def patches(self) -> Iterator[Any]:
        sqrt, tape, graph_gradients = tf.sqrt, tf.GradientTape.gradient, tf1.gradients
        compute = tf1.train.Optimizer.compute_gradients
        make = tf.GradientTape.__init__

        def root(x: Any, name: str | None = None) -> Any:
            self.outputs.append(sqrt(x))
            return self.outputs[-1]

        def persistent(own: Any, persistent: bool = False, watch_accessed_variables: bool = True) -> None:
            make(own, True, watch_accessed_variables)

        def slope(own: Any, target: Any, sources: Any, *args: Any, **kwargs: Any) -> Any:
            self.slopes += tape(own, target, list(self.outputs))
            return tape(own, target, sources, *args, **kwargs)

        def in_graph(ys: Any, xs: Any, *args: Any, **kwargs: Any) -> Any:
            self.slopes += graph_gradients(ys, list(self.outputs))
            return graph_gradients(ys, xs, *args, **kwargs)

        def computed(own: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
            if not callable(loss):
                self.slopes += graph_gradients(loss, list(self.outputs))
            return compute(own, loss, *args, **kwargs)

        for module in (tf, tf1):
            yield mock.patch.object(module, "sqrt", root)
        yield mock.patch.object(tf.GradientTape, "__init__", persistent)
        yield mock.patch.object(tf.GradientTape, "gradient", slope)
        yield mock.patch.object(tf1, "gradients", in_graph)
        yield mock.patch.object(tf1.train.Optimizer, "compute_gradients", computed)

    def run(self, text: str) -> bool:
        """Run the program; whether a gradient by what a root computes is anything but 0."""
        with ExitStack() as stack:
            for patch in self.patches():
                stack.enter_context(patch)
            in_graph = text.startswith(GRAPH)
            tf.config.run_functions_eagerly(True)
            stack.callback(tf.config.run_functions_eagerly, False)
            if in_graph:
                stack.enter_context(tf.Graph().as_default())
            namespace: dict[str, Any] = {"__name__": "program"}
            exec(compile(text, "<program>", "exec"), namespace)
            if "model_fn" in namespace:
                namespace["model_fn"](tf.constant([1.0, 2.0]), None, "train")
            if not self.outputs:
                namespace["evaluate"](namespace["w"])
            assert self.outputs
            present = [slope for slope in self.slopes if slope is not None]
            if in_graph:
                session = stack.enter_context(tf1.Session())
                session.run([tf1.global_variables_initializer(), tf1.local_variables_initializer()])
                inputs = [op.outputs[0] for op in session.graph.get_operations() if op.type == "Placeholder"]
                return any((g != 0).any() for g in session.run(present, {x: [[1.0, 2.0]] for x in inputs}))
            return any(bool(tf.reduce_any(slope != 0)) for slope in present)


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_a_gradient_is_taken(name: str) -> None:
    graph = read(DIFFERENTIATED[name])
    assert any(graph.differentiated(op) for op in roots(graph))
    assert all(graph.in_loss(op) for op in roots(graph) if graph.differentiated(op))


@pytest.mark.parametrize("name", NOT_DIFFERENTIATED)
def test_no_gradient_is_taken(name: str) -> None:
    graph = read(NOT_DIFFERENTIATED[name])
    assert [graph.differentiated(op) for op in roots(graph)] == [False] * len(roots(graph))


@pytest.mark.parametrize("name", UNKNOWN)
def test_nobody_knows(name: str) -> None:
    graph = read(UNKNOWN[name])
    assert None in [graph.differentiated(op) for op in roots(graph)]
    assert True not in [graph.differentiated(op) for op in roots(graph)]


@pytest.mark.parametrize("name", OLD)
def test_a_gradient_is_taken_in_old_libraries(name: str) -> None:
    graph = read(OLD[name])
    assert [graph.differentiated(op) for op in roots(graph)] == [True]


def runs(text: str) -> bool:
    return "tf.estimator" not in text or hasattr(tf, "estimator")


@pytest.mark.parametrize("name", [name for name, text in DIFFERENTIATED.items() if runs(text)])
def test_tensorflow_takes_the_gradient(name: str) -> None:
    assert Recorder().run(DIFFERENTIATED[name])


@pytest.mark.parametrize("name", [name for name, text in NOT_DIFFERENTIATED.items() if runs(text)])
def test_tensorflow_takes_none(name: str) -> None:
    assert not Recorder().run(NOT_DIFFERENTIATED[name])
