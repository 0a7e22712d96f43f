"""What is given when: regimens in words, dosing objects, NONMEM's event records."""

from .ev import ev
from .records import Records, from_frame, from_nonmem_csv, to_nonmem_csv
from .words import Phase, Regimen, regimen, schedule

__all__ = ["Phase", "Records", "Regimen", "ev", "from_frame", "from_nonmem_csv", "regimen", "schedule", "to_nonmem_csv"]
