NAMES = ['age', 'workclass', 'fnlwgt', 'education', 'education_num', 'marital_status', 'occupation',
         'relationship', 'race', 'gender', 'capital_gain', 'capital_loss', 'hours_per_week',
         'native_country', 'income_bracket']

CATEGORICAL = ['workclass', 'education', 'marital_status', 'occupation', 'relationship', 'race',
               'gender', 'native_country']
CONTINUOUS = ['age', 'education_num', 'capital_gain', 'capital_loss', 'hours_per_week']
CROSSES = [('education', 'occupation'), ('native_country', 'occupation')]
EMBEDDED = ['education', 'occupation', 'native_country', 'workclass']
LABEL = 'income_bracket'
