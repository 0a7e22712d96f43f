"""The joint look at an arm: tumours, organs and doses of the same patients, each acting on the others."""
