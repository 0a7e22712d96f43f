"""What the organs of a trial are called: which effect card gives which, what is measured of them, and in what unit."""

from .files import locate

# Effect card -> the organs it gives, in the order of its structure's readings.
EFFECTS = {
    "thrombocytopenia": ("platelets",),
    "neutropenia": ("neutrophils",),
    "transaminases": ("alt", "ast", "bilirubin"),
    "lvef": ("lvef",),
    "ild": ("ild",),
    "diarrhoea": ("diarrhoea",),
    "hand_foot": ("hand_foot",),
    "other": ("other",),
}
# Counts in 1e9/L and multiples of ULN are drawn with blood and graded by CTCAE; LVEF is in points; the rest have grades only.
COUNTS = ("platelets", "neutrophils")
LIVER = ("alt", "ast", "bilirubin")
BLOOD = (*COUNTS, *LIVER)
POINTS = ("lvef",)
# The organ that stands for all adverse events without a model; each drug of an arm has its own.
OTHER = "other"
# What a count's fall is called where it is an adverse event.
EVENTS = {"platelets": "thrombocytopenia", "neutrophils": "neutropenia"}


def effects(drug):
    """The effect cards a drug has, in the order of `EFFECTS`."""
    folder = locate("drugs", drug).parent
    return [name for name in EFFECTS if (folder / f"{name}.toml").is_file()]


def features(organs):
    """(organ, feature) of what rules may look at of some organs: a laboratory value and its grade, an event's grade."""
    for organ in organs:
        if organ in POINTS:
            yield from ((organ, "value"), (organ, "drop"))
        elif organ in BLOOD:
            yield from ((organ, "value"), (organ, "grade"))
        else:
            yield (organ, "grade")
