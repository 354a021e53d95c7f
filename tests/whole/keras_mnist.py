from keras.models import Sequential, Model
from keras.layers import Dense, Dropout, Input
from keras.optimizers import SGD
from keras import backend as K
from keras.datasets import mnist
import keras
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train = x_train.reshape(60000, 784)
x_test = x_test.reshape(10000, 784)
x_train = x_train.astype('float32')
x_test = x_test.astype('float32') # BUG
y_train = keras.utils.to_categorical(y_train, 10)
model = Sequential()
model.add(Dense(512, activation='relu', input_shape=(784,)))
model.add(Dropout(0.2))
model.add(Dense(10, activation='sigmoid'))
def my_loss(y_true, y_pred):
    return -K.mean(y_true * K.log(y_pred)) # BUG
model.compile(loss='categorical_crossentropy', optimizer=SGD(lr=1.0), metrics=['accuracy']) # BUG
model.fit(x_train, y_train, batch_size=128, epochs=20) # BUG
m2 = Sequential([Dense(10, input_shape=(784,))])
m2.compile(loss='categorical_crossentropy', optimizer='adam') # BUG
m3 = Sequential([Dense(10, activation='softmax', input_shape=(784,))])
m3.compile(loss=my_loss, optimizer='adam')
m4 = Sequential([Dense(1, activation='sigmoid', input_shape=(784,))])
m4.compile(loss='mse', optimizer='adam') # BUG
