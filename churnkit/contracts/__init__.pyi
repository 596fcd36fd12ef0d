from .contract import Contract as Contract
from .contract import Purpose as Purpose
from .schema.column import Check as Check
from .schema.column import Column as Column
from .schema.fields import Schema as Schema
from .schema.fields import account as account
from .schema.fields import as_of as as_of
from .schema.fields import cause as cause
from .schema.fields import context as context
from .schema.fields import cost as cost
from .schema.fields import entity as entity
from .schema.fields import feature as feature
from .schema.fields import ignore as ignore
from .schema.fields import label as label
from .schema.fields import parent as parent
from .schema.fields import pii as pii
from .schema.fields import propensity as propensity
from .schema.fields import treatment as treatment
from .schema.fields import value as value
from .validation.violations import Violation as Violation

__all__: list[str]
