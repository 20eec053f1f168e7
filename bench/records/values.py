"""What a value of a record can be."""

from typing import Annotated

from pydantic import ConfigDict, Field

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

# What a value can be, far beyond anything that was ever measured: one that cannot be would turn the statistics of all
# others into nonsense.
Milliseconds = Annotated[float, Field(ge=1e-6, le=1e9)]
Seconds = Annotated[float, Field(ge=0.0, le=1e6)]
Rate = Annotated[float, Field(ge=1e-6, le=1e9)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
MetricValue = Annotated[float, Field(ge=-1e15, le=1e15)]
Bytes = Annotated[int, Field(gt=0, le=2**50)]
Planned = Annotated[int, Field(ge=0, le=2**50)]
Amount = Annotated[int, Field(gt=0, le=10**18)]
Number = Annotated[int, Field(ge=0, le=10**6)]
Several = Annotated[int, Field(gt=0, le=10**6)]
Side = Annotated[int, Field(gt=0, le=2**31)]
